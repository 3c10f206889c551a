//! The forms of strings. They are strict on purpose: most of these end up in a command line, a URL or one line of
//! HAProxy's runtime API, where a space, a `;` or a leading `-` would change what is asked.

use super::shape::Text;

pub(crate) static LABEL: Text =
    Text::new("a name", "app", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "letters, digits, `.`, `_` and `-`, at most 64");

pub(crate) static NODE: Text = Text::new(
    "a node's name as Pacemaker knows it",
    "node-01",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$",
    "`crm_node -l` lists the names; letters, digits, `.`, `_` and `-`",
);

pub(crate) static UNIT: Text = Text::new(
    "a unit's name with its suffix",
    "app.service",
    "^[A-Za-z0-9_][A-Za-z0-9:_.@\\\\-]{0,240}\\.(service|socket|timer|path|target|mount)$",
    "`systemctl list-units` shows it; the suffix (`.service`) belongs to the name",
);

pub(crate) static RESOURCE: Text = Text::new(
    "a resource's id in the cluster",
    "app_service",
    "^[A-Za-z_][A-Za-z0-9_.-]{0,254}$",
    "the primitive's id, not the clone's: `app_service`, not `app_service-clone`",
);

pub(crate) static FILE: Text =
    Text::new("an absolute path", "/path/to/file", "^/[^\\x00-\\x1f\\x7f]+$", "begin it with `/`");

pub(crate) static URL_PATH: Text = Text::new(
    "the path of a URL",
    "/ready",
    "^/[!$-~]{0,1023}$",
    "begin it with `/`; percent-encode spaces and everything outside ASCII",
);

pub(crate) static HOST: Text = Text::new(
    "a host's name, with a port where it needs one",
    "app.example.com",
    "^[A-Za-z0-9\\[][A-Za-z0-9._:\\[\\]-]{0,254}$",
    "without a scheme and without a path",
);

pub(crate) static SERVER_NAME: Text = Text::new(
    "a host's name or an IP address",
    "app.example.com",
    "^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$",
    "without a port: a certificate knows none",
);

pub(crate) static HEADER: Text = Text::new(
    "a header",
    "X-Ready: yes",
    "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}(:[ -~]{0,256})?$",
    "write it as `name` or as `name: value`",
);

pub(crate) static FRAGMENT: Text =
    Text::new("a text", "status: up", "^[^\\x00-\\x1f\\x7f]{1,256}$", "one line, from 1 to 256 characters");

pub(crate) static GRPC_SERVICE: Text = Text::new(
    "the name of a gRPC service",
    "example.App",
    "^[A-Za-z0-9_./-]{0,120}$",
    "with its package, as in `example.App`; empty is the whole server",
);

pub(crate) static ADDRESS: Text = Text::new(
    "an address that clients connect to",
    "app.example.com",
    "^[!-~]{1,255}$",
    "a name, an IP address or a prefix, without spaces",
);

pub(crate) static SSH_HOST: Text = Text::new(
    "a host or an alias of the SSH configuration",
    "node-01.example.com",
    "^[A-Za-z0-9_\\[][A-Za-z0-9_.:%@\\[\\]-]{0,254}$",
    "it may not begin with `-`",
);

pub(crate) static USER: Text =
    Text::new("a user's name", "tidegate", "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", "letters, digits, `.`, `_` and `-`");

pub(crate) static PROXY_NAME: Text = Text::new(
    "a name as HAProxy allows it",
    "app",
    "^[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,254}$",
    "letters, digits, `.`, `_`, `:` and `-`",
);

pub(crate) static SERVER: Text = Text::new(
    "a server's name with `{node}` in it",
    "{node}",
    "^[A-Za-z0-9_.:-]*\\{node\\}[A-Za-z0-9_.:-]*$",
    "`{node}` stands for the node's name; without it every node would be the same server",
);

pub(crate) static ADMIN: Text = Text::new(
    "an admin interface",
    "tcp:127.0.0.1:9901",
    "^(unix:(//)?/[!-~]+|tcp:[A-Za-z0-9._:\\[\\]-]+:[0-9]{1,5})$",
    "known: `tcp:address:port` and `unix:/path`, as seen from the instance's own host",
);

pub(crate) static MEMBER: Text = Text::new(
    "a member's address with `{address}` or `{node}` in it",
    "{address}:8080",
    "^[A-Za-z0-9_.:\\[\\]-]*\\{(address|node)\\}[A-Za-z0-9_.:\\[\\]-]*$",
    "`{address}` and `{node}` stand for the node's; without one every node would be the same member",
);

pub(crate) static ARGUMENT: Text = Text::new(
    "a word of a command",
    "nginx",
    "^[^\\x00-\\x1f\\x7f]+$",
    "one word an item: no shell splits or interprets them",
);

pub(crate) static ENDPOINT: Text = Text::new(
    "a socket",
    "unix:/run/haproxy/admin.sock",
    "^(unix:(//)?/[!-~]+|tcp:[A-Za-z0-9._:\\[\\]-]+:[0-9]{1,5}|ssh://[A-Za-z0-9_][A-Za-z0-9_.-]*/[!-~]+)$",
    "known: `unix:/path`, `tcp:host:port`, `ssh://host/path`; a user or port for SSH belongs in the SSH configuration",
);

pub(crate) static RULE: Text = Text::new(
    "a rule's code",
    "single-balancer",
    "^[a-z][a-z0-9-]{0,63}$",
    "`tidegate check` prints it; docs/review.md lists all",
);

pub(crate) static PERCENT: Text =
    Text::new("a share in percent", "50%", "^([1-9][0-9]?|100)%$", "whole percents from \"1%\" to \"100%\"");
