//! The review's reading of HAProxy's file.

use std::time::Duration;

use super::read;
use crate::model::balancer::{BackTls, Check, Identity, Layer, Sticky};

const FILE: &str = r#"
global
    maxconn 100
    stats socket /run/a mode 660 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 1h
    timeout server 30m
    timeout check 2s
    option forwardfor except 127.0.0.1
frontend web
    bind :80
    bind :443 ssl crt /etc/ssl/app.pem alpn h2
    default_backend app
backend app
    balance roundrobin
    option httpchk GET /ready
    http-check expect status 200
    default-server inter 3s fall 2 rise 2 check
    server node-1 10.0.0.1:8080 weight 10
    server node-2 10.0.0.2:8080 inter 5s fastinter 1s fall 4
    server sorry 127.0.0.1:1 backup no-check
frontend other
    mode tcp
    bind :90 accept-proxy
    default_backend raw
backend raw
    mode tcp
    balance source
    server node-1 10.0.0.1:8443 check send-proxy-v2 ssl verify none
"#;

#[test]
fn a_backend_with_its_defaults_and_frontends() {
    let view = read(FILE, "app").expect("understood");
    assert_eq!(view.layer, Some(Layer::Requests));
    assert_eq!(
        view.check,
        Some(Check::Request { path: Some("/ready".into()), port: None, passes: Some(vec![200..=200]) })
    );
    let pace = view.pace.expect("checked");
    assert_eq!(pace.longest(), Duration::from_secs(5 + 3 + 2), "the slowest of both servers");
    assert_eq!(view.tells, Some([Identity::XForwardedFor].into()));
    assert_eq!((view.front_tls, view.accepts_proxy), (Some(true), Some(false)));
    assert_eq!((view.back_tls, view.sticky), (Some(BackTls::Clear), Some(Sticky::No)));
    assert_eq!(view.quiet, Some(Duration::from_secs(1800)));
}

#[test]
fn layer_four_with_everything_else() {
    let view = read(FILE, "raw").expect("understood");
    assert_eq!((view.layer, view.check), (Some(Layer::Connections), Some(Check::Handshake)));
    assert_eq!(view.tells, Some([Identity::ProxyProtocol].into()), "no header in mode tcp");
    assert_eq!((view.front_tls, view.accepts_proxy), (Some(false), Some(true)));
    assert_eq!((view.back_tls, view.sticky), (Some(BackTls::Unverified), Some(Sticky::SourceIp)));
    let pace = view.pace.expect("checked");
    assert_eq!((pace.interval, pace.failures), (Duration::from_secs(2), 3), "what HAProxy does without being told");
}

#[test]
fn checks_of_every_kind() {
    let check = |lines: &str, server: &str| {
        let file = format!("listen app\n bind :80\n mode http\n{lines}\n server a 10.0.0.1:80 {server}\n");
        read(&file, "app").expect("understood").check.expect("told")
    };
    assert_eq!(check("", ""), Check::None);
    assert_eq!(check("default-server check", "no-check"), Check::None);
    assert_eq!(check("", "check"), Check::Port);
    assert_eq!(check("option tcp-check", "check"), Check::Port);
    assert!(matches!(check("option tcp-check\ntcp-check expect string up", "check"), Check::Other(_)));
    assert_eq!(check("", "check check-ssl"), Check::Handshake);
    assert!(matches!(check("option mysql-check user x", "check"), Check::Other(_)));
    let usual = || Some(vec![200..=399]);
    let request = |path: &str, port, passes| Check::Request { path: Some(path.into()), port, passes };
    assert_eq!(check("option httpchk", "check port 9"), request("/", Some(9), usual()));
    assert_eq!(check("option httpchk /up", "check"), request("/up", None, usual()));
    let send = "option httpchk\nhttp-check connect port 7\nhttp-check send meth GET uri /x\nhttp-check expect status 200,204-206";
    assert_eq!(check(send, "check"), request("/x", Some(7), Some(vec![200..=200, 204..=206])));
    assert_eq!(check("option httpchk\nhttp-check expect ! rstatus ^5", "check"), request("/", None, None));
    assert_eq!(check("option httpchk\nhttp-check expect status 200\noption tcp-check", "check"), Check::Port);
}

#[test]
fn what_cannot_be_told_is_said() {
    assert!(read("", "app").is_err());
    assert!(read(FILE, "nosuch").is_err_and(|why| why.contains("no backend nosuch")));
    assert!(read(FILE, "web").is_err(), "a frontend is no backend");
    assert!(read(&format!(".if defined(X)\n{FILE}\n.endif"), "app").is_err());
    assert!(read("backend app\n mode http\n", "app").is_err(), "no server");
    let dynamic = FILE.replace("default_backend app", "use_backend %[path]");
    let view = read(&dynamic, "app").expect("understood");
    assert_eq!((view.front_tls, view.accepts_proxy), (None, None));
    assert!(!view.lacks.is_empty());
}

#[test]
fn a_header_counts_where_every_way_in_has_it() {
    let two = "frontend a\n mode http\n bind :80\n http-request set-header X-Forwarded-For %[src]\n default_backend app\n\
               frontend b\n mode http\n bind :81\n use_backend app if { path /b }\nbackend app\n mode http\n server s 10.0.0.1:80\n";
    assert_eq!(read(two, "app").expect("understood").tells, Some([].into()));
    let both = two.replace("bind :81", "bind :81\n option forwardfor");
    assert_eq!(read(&both, "app").expect("understood").tells, Some([Identity::XForwardedFor].into()));
}

#[test]
fn named_defaults_and_bindings() {
    let file = "defaults fast from base\n".to_owned();
    assert!(read(&file, "x").is_err(), "defaults that do not exist");
    let file = "defaults base\n mode http\n cookie SRV insert\ndefaults other\n mode tcp\n\
                listen app from base\n bind :80\n server a 10.0.0.1:80 cookie a\n\
                listen hash\n bind :81\n balance hdr(x)\n hash-type consistent\n server a 10.0.0.1:80\n";
    assert_eq!(read(file, "app").expect("understood").sticky, Some(Sticky::Cookie));
    let hash = read(file, "hash").expect("understood");
    assert_eq!((hash.sticky, hash.layer), (Some(Sticky::ConsistentHash), Some(Layer::Connections)));
}
