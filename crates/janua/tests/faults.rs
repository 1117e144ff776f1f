//! Faults of servers, clients and connections: whatever goes wrong, everyone who waits gets an answer and nothing is
//! left behind. The tests whose names begin with `check_` are the ones that were also run against other bridges.

#[path = "faults/bodies.rs"]
mod bodies;
#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/hang.rs"]
mod hang;
#[path = "faults/http.rs"]
mod http;
#[path = "faults/leftovers.rs"]
mod leftovers;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/output.rs"]
mod output;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/sessions.rs"]
mod sessions;
#[path = "faults/start.rs"]
mod start;
