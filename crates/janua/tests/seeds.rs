//! What users of the older systems rely on, a test for each row of their contracts.

#[path = "seeds/factory.rs"]
mod factory;
#[path = "folders/scene.rs"]
mod scene;
