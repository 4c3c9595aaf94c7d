//! Whole applications on virtual time, with many seeds.

mod bank;
mod basics;
