//! The words of Tidegate as types: what is named, what was seen, what is wanted, what was before.
//! Pure: nothing here reads a clock, a file or a socket.

pub mod action;
pub mod alert;
pub mod balancer;
pub mod cluster;
pub mod counters;
pub mod exact;
pub mod ids;
pub mod leave;
pub mod observation;
pub mod observed;
pub mod receipt;
pub mod rehearsal;
pub mod route;
pub mod straggler;
pub mod topology;

pub use action::{Desired, Effect, Ownership};
pub use alert::Alert;
pub use balancer::BalancerView;
pub use cluster::{CloneInstance, ClusterView, Member, Role};
pub use counters::Counters;
pub use exact::Exact;
pub use ids::{EntrypointName, InstanceName, NodeName, PlayId, RouteId, RunId, ServiceName, UnitName};
pub use leave::Leave;
pub use observation::{Holder, Listing, NodeView, Observation, Readiness, SocketsView, UnitView};
pub use observed::Observed;
pub use receipt::{Before, Receipt};
pub use rehearsal::Rehearsal;
pub use route::{Admission, Health, InstanceView, MemberView, Session};
pub use straggler::{Straggler, Stragglers};
pub use topology::{RouteTarget, Topology};
