//! No statement of a hot path reads more of 100,000 orders than it answers, on either engine: judged by what the
//! engines themselves count while every method of the storage is called.

mod acts;
mod model;
mod postgres;
mod sqlite;
