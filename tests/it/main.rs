//! Tests at the seams, in one process: the simulator, sockets, files, and time that is moved.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support/mmdb.rs"]
mod mmdb;
#[path = "../support/normalized.rs"]
mod normalized;
#[cfg(feature = "simulator")]
#[path = "../support/mod.rs"]
mod support;

mod api_behaviour;
mod api_memory;
mod api_sockets;
mod audit_search;
mod config_examples;
mod configuration_doc;
#[cfg(feature = "simulator")]
mod credentials;
mod dashboards;
mod detections;
mod docs;
mod fields_doc;
#[cfg(feature = "simulator")]
mod filters;
mod fixtures;
mod geoip;
#[cfg(feature = "simulator")]
mod microsoft_libraries;
mod modules;
mod once;
mod operations;
mod packaging;
mod page_chromium;
mod poll;
mod records;
mod registration;
mod reports;
mod reports_reading;
mod right_values;
mod secret_stores;
mod secrets;
mod sensitive_types;
mod sink_http;
mod sink_opentelemetry;
mod sink_proxy;
mod sink_splunk_hec;
mod sink_vector;
mod spool_full;
#[cfg(feature = "simulator")]
mod telemetry;
mod webhook;
mod webhook_announcements;
mod webhook_flood;
mod webhook_reload;
mod webhook_sockets;
