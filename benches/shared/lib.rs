//! What several programs here need: a PostgreSQL server that goes away.

pub mod server;
