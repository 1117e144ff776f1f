//! Many servers behind one address: names, lists, news, questions and faults through `janua serve`.

//#[path = "gateway/calls.rs"]
//calls
//#[path = "gateway/lists.rs"]
//lists
#[path = "gateway/names.rs"]
mod names;
//#[path = "gateway/news.rs"]
//news
//#[path = "gateway/questions.rs"]
//questions
//#[path = "gateway/resources.rs"]
//resources
#[path = "gateway/scene.rs"]
mod scene;
//#[path = "gateway/trouble.rs"]
//trouble
