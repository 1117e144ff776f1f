//! OpenAPI documents as servers: from `janua serve`'s routes to a scripted API, in hand-written JSON.

#[path = "openapi/answers.rs"]
mod answers;
#[path = "openapi/corpus.rs"]
mod corpus;
#[path = "openapi/injection.rs"]
mod injection;
#[path = "openapi/reloading.rs"]
mod reloading;
#[path = "openapi/requests.rs"]
mod requests;
#[path = "openapi/scene.rs"]
mod scene;
#[path = "openapi/schemas.rs"]
mod schemas;
#[path = "openapi/secrets.rs"]
mod secrets;
