//! The administration of a gateway of many servers: its routes, where it is looked up, and the commands that use them.

#[path = "admin/scene.rs"]
mod scene;

#[path = "admin/doctor.rs"]
mod doctor;
#[path = "admin/logs.rs"]
mod logs;
#[path = "admin/restart.rs"]
mod restart;
#[path = "admin/routes.rs"]
mod routes;
