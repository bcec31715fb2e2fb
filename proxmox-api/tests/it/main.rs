//! The service through its real router and real sockets, against the simulated Proxmox and a
//! facilitator.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

mod administrator;
mod bounded;
mod brake;
mod buyer;
mod clients;
mod console;
mod contract;
mod copies;
mod crashes;
mod credit;
mod doctor;
mod ends;
mod exec;
mod failover;
mod free_routes;
mod guest;
mod held;
mod hypervisor;
mod ingress;
mod leases;
mod leases_free;
mod moving;
mod negotiation;
mod numbers;
mod openapi;
mod outcome;
mod overtaken;
mod owners;
mod panics;
mod placement;
#[path = "../postgres/mod.rs"]
mod postgres;
mod power;
mod process;
mod proof;
mod real;
mod refusals;
mod replicas;
mod resolve;
mod respond_async;
mod secrets_at_rest;
mod sessions;
mod settlement;
mod shared_limits;
mod sold;
mod ssh;
mod ssh_access;
mod stats;
mod storm;
mod support;
mod tenants;
mod tenants_attacks;
mod traffic;
mod trips;
mod upgrade;
