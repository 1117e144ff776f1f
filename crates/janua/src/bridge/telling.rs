//! Answers, told in the words of the other era.

use janua_wire::message::Response;
use janua_wire::method::Method;
use janua_wire::translate::{errors, results, shapes};
use janua_wire::version::Version;

/// The answer of a server with a handshake, as a client without must see it. `info` is what the server said of
/// itself, raw.
pub(super) fn for_modern(method: Method, response: &Response, info: Option<&[u8]>) -> Response {
    if response.is_error() {
        return response.edited(&errors::to_modern(response.body()));
    }
    response.edited(&results::to_modern(method, response.body(), info))
}

/// The answer of a server without a handshake, as a client that opened in `version` must see it.
pub(super) fn for_legacy(method: Method, response: &Response, version: Version) -> Response {
    if response.is_error() {
        return response.edited(&errors::to_legacy(method, response.body()));
    }
    let plain = response.edited(&results::to_legacy(response.body()));
    plain.edited(&shapes::for_client(method, plain.body(), version))
}
