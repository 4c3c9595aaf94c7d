//! How an application runs.
mod retirement;
mod slots;
