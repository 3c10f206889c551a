//! The contract suite: what every provider promises, asked of each of them. A new provider is one line here.
//!
//! HAProxy, NGINX, Envoy, BIND, BIRD, FRR and sshd are real processes, started and ended by the tests; Pacemaker is its own
//! tools on a CIB in a file. Where one is not installed its tests say `NOT RUN` and pass.

mod backend;
mod bgp;
mod clones;
mod cluster;
mod dns;
mod dns_servers;
mod envoy;
mod exec;
mod haproxy;
mod lasting;
mod named;
mod nginx;
mod pacemaker;
mod probe;
mod process;
mod rehearsal;
mod renamed;
mod route;
mod shares;
mod ssh;

use std::sync::Arc;

use tidegate::{model::InstanceName, provider::null::NullRoute};

fn null_route() -> NullRoute {
    NullRoute::new("web/null:app".into(), &[InstanceName::new("lb-01")], &[("node-01", 100), ("node-02", 50)])
}

#[tokio::test]
async fn null_route_keeps_the_contract() {
    route::keeps_the_contract(Arc::new(null_route())).await;
}

#[tokio::test]
async fn haproxy_on_a_unix_socket_keeps_the_contract() {
    let Some(proxy) = haproxy::Proxy::start("").await else { return };
    route::keeps_the_contract(Arc::new(proxy.route(proxy.unix()))).await;
}

#[tokio::test]
async fn haproxy_over_tcp_keeps_the_contract() {
    let Some(proxy) = haproxy::Proxy::start("").await else { return };
    route::keeps_the_contract(Arc::new(proxy.route(proxy.tcp()))).await;
}

#[tokio::test]
async fn haproxy_with_a_master_keeps_the_contract() {
    let Some(proxy) = haproxy::Proxy::start("").await else { return };
    route::keeps_the_contract(Arc::new(proxy.route_with_master())).await;
}

#[tokio::test]
async fn haproxy_over_ssh_keeps_the_contract() {
    let (Some(proxy), Some(sshd)) = (haproxy::Proxy::start("").await, ssh::Sshd::start().await) else { return };
    route::keeps_the_contract(Arc::new(proxy.route_over(proxy.ssh("node-01"), sshd.access()))).await;
}

#[tokio::test]
async fn nginx_keeps_the_contract() {
    let Some(edge) = nginx::Edge::start("").await else { return };
    route::keeps_the_contract(edge.route()).await;
}

#[tokio::test]
async fn nginx_over_ssh_keeps_the_contract() {
    let (Some(edge), Some(sshd)) = (nginx::Edge::start("").await, ssh::Sshd::start().await) else { return };
    route::keeps_the_contract(edge.route_over("node-01", sshd.access())).await;
}

#[tokio::test]
async fn dns_keeps_the_contract() {
    let Some(primary) = named::Primary::start().await else { return };
    route::keeps(dns::addresses(&primary), route::Promises { weights: false, keeps_weight: false }).await;
}

#[tokio::test]
async fn dns_with_weights_keeps_the_contract() {
    let Some(primary) = named::Primary::start().await else { return };
    route::keeps(dns::services(&primary), route::Promises { weights: true, keeps_weight: false }).await;
}

#[tokio::test]
async fn exec_keeps_the_contract() {
    let Some(cloud) = exec::Cloud::start().await else { return };
    route::keeps_the_contract(cloud.route()).await;
}

#[tokio::test]
async fn exec_over_ssh_keeps_the_contract() {
    let (Some(cloud), Some(sshd)) = (exec::Cloud::start().await, ssh::Sshd::start().await) else { return };
    route::keeps_the_contract(cloud.route_over(Some("node-01"), sshd.access())).await;
}

#[tokio::test]
async fn exec_with_ipvs_keeps_the_contract() {
    let Some(ipvs) = exec::Ipvs::start(false) else { return };
    route::keeps(ipvs.emptied().route(), route::Promises { weights: true, keeps_weight: false }).await;
}

#[tokio::test]
async fn envoy_keeps_the_contract() {
    let Some(edge) = envoy::Edge::start(2, "").await else { return };
    route::keeps_the_contract(edge.route()).await;
}

#[tokio::test]
async fn envoy_with_checks_keeps_the_contract() {
    let Some(edge) = envoy::Edge::start(2, envoy::CHECKS).await else { return };
    route::keeps_the_contract(edge.route()).await;
}

#[tokio::test]
async fn envoy_over_ssh_keeps_the_contract() {
    let (Some(edge), Some(sshd)) = (envoy::Edge::start(2, "").await, ssh::Sshd::start().await) else { return };
    route::keeps_the_contract(edge.route_over(Some("node-01"), sshd.access())).await;
}

#[tokio::test]
async fn null_cluster_keeps_the_contract() {
    cluster::keeps_the_contract(&cluster::null_cluster(), &"node-01".into()).await;
}

#[tokio::test]
async fn null_units_keep_the_contract() {
    cluster::units_keep_the_contract(&cluster::null_units(), &"node-01".into(), &"batch.service".into()).await;
}
