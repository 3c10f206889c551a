//! Forms of strings that only playbooks have. `{node}` may be in many of them: it is filled in when a step is played.

use crate::config::shape::Text;

pub(crate) static SENTENCE: Text =
    Text::new("a text", "Reboots a node at a time", "^[^\\x00-\\x1f\\x7f]{1,256}$", "one line, at most 256 characters");

pub(crate) static MESSAGE: Text = Text::new(
    "a text",
    "{node} is patched",
    "^[^\\x00-\\x09\\x0b-\\x1f\\x7f]+$",
    "not empty; no control characters but line ends",
);

pub(crate) static INPUT_NAME: Text = Text::new(
    "an input's name",
    "package",
    "^[a-z][a-z0-9-]{0,63}$",
    "small letters, digits and `-`; a text takes it in as `{package}`",
);

pub(crate) static PART_FILE: Text = Text::new(
    "a path to a file of parts",
    "parts/reboot.toml",
    "^[A-Za-z0-9_.][A-Za-z0-9_./-]{0,254}\\.toml$",
    "relative to this file, with `/` between folders",
);

pub(crate) static LOCAL_FILE: Text = Text::new(
    "a file of this machine",
    "/srv/roll-out/app.conf",
    "^[^\\x00-\\x1f\\x7f]+$",
    "where it is relative, then to the folder in which the playbook is",
);

pub(crate) static MODE: Text =
    Text::new("a file's mode", "0644", "^0?[0-7]{3}$", "three octal digits, such as \"0644\"");

pub(crate) static QUERY: Text = Text::new(
    "a PromQL query",
    "sum(rate(http_requests_total[1m]))",
    "^[^\\x00-\\x09\\x0b-\\x1f\\x7f]+$",
    "as Prometheus' own page takes it",
);

pub(crate) static URL: Text = Text::new(
    "a URL",
    "http://{node}:8080/ready",
    "^https?://([A-Za-z0-9{][A-Za-z0-9{}.-]*|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?([/?][!-~]*)?$",
    "`http://` or `https://`, a host, a port where it is another; no user",
);

pub(crate) static LOAD_URL: Text = Text::new(
    "a URL that load is sent to",
    "http://app.example.com/",
    "^([A-Za-z0-9][A-Za-z0-9._:/-]{0,254}=)?[a-z][a-z0-9]{0,7}://[^@\\x00-\\x20\\x7f]+$",
    "an entrypoint's own address; no user",
);

pub(crate) static ATTRIBUTE: Text = Text::new(
    "a node attribute of the cluster",
    "site",
    "^[A-Za-z_][A-Za-z0-9_.-]{0,254}$",
    "`crm_attribute --query` shows it",
);

pub(crate) static INTERFACE: Text = Text::new(
    "a network interface",
    "eth0",
    "^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$",
    "`ip link` lists them; at most 15 characters",
);

pub(crate) static DIRECTORY: Text = Text::new(
    "an absolute path of a directory",
    "/var/lib/app",
    "^/[A-Za-z0-9_./-]+$",
    "begin it with `/`; not the root itself",
);
