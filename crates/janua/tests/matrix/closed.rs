//! Kinds that Janua turns away as a whole: what they are told, and that nothing is started for them.

use http::Method;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process;

use super::kinds::Closed;
use super::scene::{JANUA, Verdict};

/// Tries the kind; a panic means that it is treated in some other way than any verdict says.
pub(crate) async fn observe(kind: Closed) -> Verdict {
    let probe = program("probe").display().to_string();
    let gateway = Gateway::start(JANUA, &["proxy", "--port", "0", "--", &probe]).await;
    let answer = match kind {
        Closed::RestClient => {
            let json = [("content-type", "application/json")];
            gateway.client().send(Method::POST, "/api/probe/echo", r#"{"text":"x"}"#, &json).await
        }
    };
    assert_eq!(process::children(gateway.pid()), [] as [u32; 0], "nothing is started");
    Verdict::status(answer.status.as_u16())
}
