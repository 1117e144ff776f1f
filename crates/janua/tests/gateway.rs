//! Many servers behind one address: names, lists, news, questions and faults through `janua serve`.

#[path = "gateway/calls.rs"]
mod calls;
#[path = "gateway/lists.rs"]
mod lists;
#[path = "gateway/names.rs"]
mod names;
#[path = "gateway/news.rs"]
mod news;
#[path = "gateway/questions.rs"]
mod questions;
#[path = "gateway/resources.rs"]
mod resources;
#[path = "gateway/scene.rs"]
mod scene;
#[path = "gateway/trouble.rs"]
mod trouble;
