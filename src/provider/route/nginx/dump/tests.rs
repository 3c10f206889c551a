//! The review's reading of `nginx -T`.

use std::time::Duration;

use super::{blocks, read};
use crate::model::balancer::{BackTls, Check, Identity, Layer, Sticky};

const INCLUDE: &str = "/etc/nginx/tidegate/app.conf";

fn dump(upstream: &str, location: &str, listen: &str, servers: &str) -> String {
    format!(
        "# configuration file /etc/nginx/nginx.conf:\nuser www-data;\nhttp {{\n\
         log_format lab '$msec {{ \"$x\"; }}';\n proxy_set_header X-Forwarded-For $remote_addr;\n\
         upstream app {{ include {INCLUDE}; {upstream} }}\n include /etc/nginx/sites/*;\n}}\n\
         # configuration file {INCLUDE}:\n{servers}\n\
         # configuration file /etc/nginx/sites/web:\n\
         server {{ listen {listen}; location ~ ^/a\\{{1,2\\}}$ {{ return 204; }} location / {{ {location} }} }}\n"
    )
}

#[test]
fn an_upstream_and_what_leads_there() {
    let text = dump("keepalive 16;", "proxy_pass http://app; proxy_read_timeout 30m;", "81", "server 10.0.0.1:80;");
    let view = read(&text, INCLUDE).expect("understood");
    assert_eq!((view.layer, view.check), (Some(Layer::Requests), Some(Check::Passive)));
    assert_eq!(view.tells, Some([Identity::XForwardedFor].into()), "from the http block");
    assert_eq!((view.front_tls, view.accepts_proxy), (Some(false), Some(false)));
    assert_eq!((view.back_tls, view.sticky), (Some(BackTls::Clear), Some(Sticky::No)));
    assert_eq!(view.quiet, Some(Duration::from_secs(1800)));
}

#[test]
fn headers_of_an_inner_level_replace_those_of_the_outer_ones() {
    let location = "proxy_pass https://app/x; proxy_set_header Host $host; proxy_ssl_verify on;";
    let text = dump("ip_hash;", location, "443 ssl proxy_protocol", "server 10.0.0.1:80 max_fails=0;");
    let view = read(&text, INCLUDE).expect("understood");
    assert_eq!(view.tells, Some([].into()));
    assert_eq!((view.front_tls, view.accepts_proxy), (Some(true), Some(true)));
    assert_eq!((view.back_tls, view.sticky), (Some(BackTls::Verified), Some(Sticky::SourceIp)));
    assert_eq!((view.check, view.quiet), (Some(Check::None), Some(Duration::from_secs(60))));
}

#[test]
fn a_stream() {
    let text = format!(
        "# configuration file /etc/nginx/nginx.conf:\nstream {{ upstream raw {{ hash $remote_addr consistent; include tidegate/app.conf; }}\n\
         server {{ listen 90; proxy_pass raw; proxy_protocol on; proxy_ssl on; }} }}\n# configuration file {INCLUDE}:\nserver a:1;\n"
    );
    let view = read(&text, INCLUDE).expect("understood");
    assert_eq!((view.layer, view.sticky), (Some(Layer::Connections), Some(Sticky::ConsistentHash)));
    assert_eq!((view.tells, view.back_tls), (Some([Identity::ProxyProtocol].into()), Some(BackTls::Unverified)));
}

#[test]
fn what_cannot_be_told_is_said() {
    let text = dump("", "return 204;", "81", "server 10.0.0.1:80;");
    assert!(read(&text, INCLUDE).is_err_and(|why| why.contains("leads to the upstream app")));
    assert!(read(&text, "/other").is_err_and(|why| why.contains("no file /other")));
    assert!(read("", INCLUDE).is_err());
    let cut = text.rsplit_once('}').map(|(before, _)| before.to_owned()).expect("a brace");
    assert!(read(&cut, INCLUDE).is_err(), "it ends too early");
    assert!(blocks::parse(&"a { ".repeat(100)).is_err());
    assert!(blocks::parse("a } b;").is_err());
}
