//! Whole applications on virtual time, with many seeds.

mod bank;
mod basics;
mod crashes;
mod failures;
mod flow;
mod outcomes;
mod prefix;
mod state;
mod zombies;
