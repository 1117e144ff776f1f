//! Where these tests begin: a folder with a configuration that asks for credentials, and a gateway.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use janua_testkit::client::{Answer, Client};
use janua_testkit::gateway::{Gateway, program};
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The gateway's own program.
pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// The revision these tests speak.
pub(crate) const VERSION: &str = "2025-11-25";

/// `alice:wonderland`, `ops:run:it` and `mallory:elsewhere`.
pub(crate) const ALICE: &str = "Basic YWxpY2U6d29uZGVybGFuZA==";
pub(crate) const OPS: &str = "Basic b3BzOnJ1bjppdA==";
pub(crate) const MALLORY: &str = "Basic bWFsbG9yeTplbHNld2hlcmU=";
/// A token of alice's.
pub(crate) const ALICES_TOKEN: &str = "Bearer looking-glass";
/// A token that is nobody's, and written as `sha256:…`.
pub(crate) const MACHINE: &str = "Bearer engine-room";

/// What nobody but the file may hold.
pub(crate) const SECRETS: [&str; 9] = [
    "wonderland",
    "run:it",
    "elsewhere",
    "looking-glass",
    "engine-room",
    "YWxpY2U6d29uZGVybGFuZA",
    "b3BzOnJ1bjppdA",
    "bWFsbG9yeTplbHNld2hlcmU",
    "82b7d5480c82f1e8ffeccedd860998a974934288d6779b0e9a62690f10d7563e",
];

/// A configuration of our own with all of them.
pub(crate) const CONFIG: &str = "
data_dir: data
listen: 127.0.0.1:0
auth:
  basic:
    credentials:
      - { username: alice, password: wonderland }
      - { username: ops, password: '${secret:ops}', admin: true }
      - { username: mallory, password: elsewhere }
  bearer:
    tokens:
      - { token: looking-glass, user: alice }
      - sha256:HASH
servers:
  probe: { command: PROBE, args: [--full] }
";

/// A folder with a configuration and a data folder.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    /// With [`CONFIG`].
    pub(crate) fn new() -> Scene {
        Scene::with(CONFIG)
    }

    /// With this `janua.yaml`, in which `PROBE` and `HASH` stand for what they are.
    pub(crate) fn with(text: &str) -> Scene {
        let scene = Scene { folder: tempfile::tempdir().expect("a folder") };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(scene.data().join("secrets")).expect("folders");
        let secret = scene.data().join("secrets/ops");
        fs::write(&secret, "run:it\n").expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("changed");
        scene.configure(text);
        scene
    }

    /// Gives it another configuration.
    pub(crate) fn configure(&self, text: &str) {
        let probe = program("probe").display().to_string();
        let text = text.replace("PROBE", &probe).replace("HASH", SECRETS[8]);
        fs::write(self.path().join("janua.yaml"), text).expect("written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// `janua serve` in it, which logs everything.
    pub(crate) async fn serve(&self, options: &[&str]) -> Gateway {
        let words = ["--log-level", "trace", "serve", "--port", "0"];
        Gateway::builder(JANUA).args(&words).args(options).folder(self.path()).start().await
    }
}

/// A client that shows `credentials`.
pub(crate) fn client(gateway: &Gateway, credentials: &str) -> Client {
    gateway.client().deadline(SOON).header("authorization", credentials)
}

/// Fails if a secret is in what the gateway has written.
pub(crate) fn says_no_secret(gateway: &Gateway) {
    let said = gateway.stderr() + &gateway.stdout();
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret} was said");
    }
}

/// Fails unless an answer is a refusal with the challenges of both schemes.
pub(crate) fn is_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Basic realm=\"MCP Gateway\"", "Bearer"], "{what}");
}
