//! Everything clients and servers do with each other, by name; the declaration has a row for each.

use super::scene::Behaviour;
use super::upstream::Program;
use super::{asks, ends, requests, shapes, talk};

macro_rules! behaviours {
    ($($name:literal, $program:ident, $module:ident::$function:ident, $about:literal;)*) => {
        /// All of them, in the order of the page.
        pub(crate) const BEHAVIOURS: &[Behaviour] = &[$(Behaviour {
            name: $name,
            about: $about,
            program: Program::$program,
            run: |scene| Box::pin($module::$function(scene)),
        }),*];
    };
}

behaviours! {
    "list", Probe, requests::list, "the tools are listed";
    "call", Probe, requests::call, "a tool is called";
    "error", Probe, requests::error, "a JSON-RPC error of the server arrives byte for byte";
    "prompts", Catalog, requests::prompts, "prompts are listed and filled in";
    "resources", Probe, requests::resources, "resources and templates are listed, a resource is read";
    "completion", Catalog, requests::completion, "an argument is completed";
    "pagination", Pages, requests::pagination, "a list goes on where its cursor says";
    "ping", Probe, requests::ping, "the client pings";
    "other-era", Probe, requests::other_era, "what the client's revision does not have is refused before it reaches the server";
    "unknown-method", Probe, requests::unknown_method, "a method Janua does not know reaches the server";
    "progress", Probe, talk::progress, "progress arrives under the client's own token";
    "logging", Probe, talk::logging, "log messages arrive that the client wants";
    "cancel", Probe, talk::cancel, "a cancellation reaches the server under the id it knows";
    "tell", Probe, talk::tell, "the client's notifications reach the server";
    "subscribe", Probe, talk::subscribe, "updates of a resource arrive while it is watched";
    "list-changed", Probe, talk::list_changed, "the client hears that the lists changed";
    "ask-elicitation", Probe, asks::elicitation, "the server asks the user in mid-call";
    "ask-url", Probe, asks::url, "the server asks the user in mid-call to open an address";
    "ask-declined", Probe, asks::declined, "the user says no to what the server asks";
    "ask-sampling", Probe, asks::sampling, "the server asks the client's model in mid-call";
    "ask-roots", Probe, asks::roots, "the server asks for the roots in mid-call";
    "ask-ping", Probe, asks::ping, "the server pings the client in mid-call";
    "ask-several", Probe, asks::several, "the server asks two things in one call, which runs once";
    "ask-rounds", Catalog, asks::rounds, "the server asks in two rounds, or asks for nothing but to be called again";
    "ask-beside", Curious, asks::beside, "the server asks something that belongs to no call";
    "ask-undeclared", Probe, asks::undeclared, "what the client cannot be asked is refused to the server at once";
    "big", Probe, shapes::big, "arguments and results of 1 MB and of 3 MB";
    "fidelity", Probe, shapes::fidelity, "unknown members and odd spelling arrive byte for byte, both ways";
    "ids", Probe, shapes::ids, "ids of 20 digits, negative, empty, emoji come back as they were";
    "same-id", Probe, shapes::same_id, "two requests with one id at once get their own answers";
    "batch", Probe, shapes::batch, "several messages in one array (2025-03-26)";
    "resume", Probe, ends::resume, "a client that lost its connection in mid-call gets the rest";
    "death", Probe, ends::death, "the server dies in mid-call: the client is told, and what comes later is clear";
    "close", Probe, ends::close, "the client ends its session, and the server's end with it";
}
