//! Faults between the eras: of parked calls, questions, turns and streams of changes, and of finding out which era
//! a server speaks.

#[path = "eras/detection.rs"]
mod detection;
#[path = "eras/newer_clients.rs"]
mod newer_clients;
#[path = "eras/newer_servers.rs"]
mod newer_servers;
#[path = "eras/parked_ends.rs"]
mod parked_ends;
#[path = "eras/parking.rs"]
mod parking;
#[path = "eras/rounds.rs"]
mod rounds;
#[path = "eras/same.rs"]
mod same;
#[path = "eras/scene.rs"]
mod scene;
