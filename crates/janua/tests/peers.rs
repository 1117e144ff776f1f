//! Other authors' clients with other authors' servers, and Janua between them, in both eras.

#[path = "peers/across.rs"]
mod across;
#[path = "peers/gathered.rs"]
mod gathered;
#[path = "peers/probing.rs"]
mod probing;
#[path = "peers/reference.rs"]
mod reference;
#[path = "peers/scene.rs"]
mod scene;
#[path = "peers/tour.rs"]
mod tour;
