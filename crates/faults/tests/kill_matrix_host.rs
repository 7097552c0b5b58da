//! The kill matrix of what is done to processes and storage: limits, control groups, files, file systems.

#[macro_use]
mod common;

on_the_host!(matrix);
