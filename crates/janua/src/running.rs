//! The gateway that runs: a file that says where it is, and the way to ask it.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::report::timestamp;

mod asking;

pub use asking::{Followed, Gateway};

/// The name of the file in the data directory.
const NAME: &str = "gateway.json";
/// How long a connection to an address of this machine may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A larger file is none of ours.
const LARGEST: u64 = 64 << 10;

/// Where a running gateway is.
#[derive(Clone, Serialize, Deserialize)]
pub struct Place {
    /// The address it listens on.
    pub address: SocketAddr,
    /// Its process id.
    pub pid: u32,
    /// When its process began, as the system counts it: tells it from another one that got its id later.
    pub began: u64,
    /// When it began to serve (RFC 3339).
    pub started: String,
    /// The configuration that it was started with; `None` if there is no file.
    pub config: Option<PathBuf>,
    /// What its administration asks for, if it asks for anything.
    #[serde(skip)]
    token: Option<Secret>,
}

/// What the file holds: the place, and what only its owner may read.
#[derive(Serialize, Deserialize)]
struct Kept<P, T> {
    #[serde(flatten)]
    place: P,
    #[serde(default)]
    token: Option<T>,
}

/// The file of this process's gateway. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    place: Place,
}

impl Place {
    /// This process, which listens on `address`.
    pub(crate) fn here(address: SocketAddr, config: Option<&Path>) -> Place {
        let pid = std::process::id();
        let config = config.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let began = began(pid).unwrap_or_default();
        Place { address, pid, began, started: timestamp(SystemTime::now()), config, token: None }
    }

    /// The same with what its administration asks for.
    #[must_use]
    pub(crate) fn with(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// The address under which this machine reaches it.
    pub fn reached(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }

    /// Whether the process that wrote it lives.
    fn lives(&self) -> bool {
        began(self.pid) == Some(self.began)
    }

    /// Says in the data directory `folder` where this gateway is. Only its owner can read it.
    pub(crate) fn write(self, folder: &Path) -> io::Result<Written> {
        if let Some(other) = read(folder).filter(|other| other.pid != self.pid && other.lives()) {
            tracing::warn!(pid = other.pid, address = %other.address, "another gateway uses the same data directory");
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(NAME);
        let beside = folder.join(format!("{NAME}.{}.new", self.pid));
        let kept = Kept { place: &self, token: self.token.as_ref().map(Secret::expose) };
        let put = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
            fs::rename(&beside, &path)
        };
        let put = put();
        if put.is_err() {
            let _ = fs::remove_file(&beside);
        }
        put.map(|()| Written { path, place: self })
    }
}

/// The same gateway, at the same time.
impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        (self.address, self.pid, self.began, &self.started, &self.config)
            == (other.address, other.pid, other.began, &other.started, &other.config)
    }
}

impl Eq for Place {}

/// Without the token.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Place");
        shown.field("address", &self.address).field("pid", &self.pid).field("config", &self.config);
        shown.finish_non_exhaustive()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let ours = self.path.parent().and_then(read).is_some_and(|place| place == self.place);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The gateway that runs with the data directory `folder`, if there is one that lives and can be connected to.
pub async fn find(folder: &Path) -> Option<Place> {
    let place = read(folder).filter(Place::lives)?;
    let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(place.reached())).await;
    matches!(connected, Ok(Ok(_))).then_some(place)
}

fn read(folder: &Path) -> Option<Place> {
    let path = folder.join(NAME);
    if fs::metadata(&path).ok()?.len() > LARGEST {
        return None;
    }
    let Kept { place, token } = serde_json::from_slice::<Kept<Place, String>>(&fs::read(&path).ok()?).ok()?;
    Some(Place { token: token.map(Secret::new), ..place })
}

/// When a process began: the 22nd field of its `stat` (proc(5)), the fields counted behind its name.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_gateway_is_found_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        assert_eq!(find(&data).await, None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = Place::here(listener.local_addr().expect("an address"), None);
        let written = here.clone().write(&data).expect("written");
        assert_eq!(find(&data).await.as_ref(), Some(&here));
        let mode = fs::metadata(data.join(NAME)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(written);
        assert!(!data.join(NAME).exists());
    }

    #[tokio::test]
    async fn what_a_gateway_left_behind_is_not_taken_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = Place::here(listener.local_addr().expect("an address"), None);
        let older = Place { began: here.began - 1, ..here.clone() };
        let of_older = older.write(folder.path()).expect("written");
        assert_eq!(find(folder.path()).await, None, "its id belongs to another process by now");
        let of_newer = here.clone().write(folder.path()).expect("written");
        drop(of_older);
        assert_eq!(find(folder.path()).await, Some(here), "one that goes leaves another's file alone");
        drop(listener);
        assert_eq!(find(folder.path()).await, None, "nobody listens there");
        drop(of_newer);
    }
}
