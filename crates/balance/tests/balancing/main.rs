//! Balancing as a whole: known answers of Envoy 1.40, and what must hold for any hosts.

mod known;
mod load;
mod localities;
mod properties;
mod recorded;
mod rig;
mod slow_start;
mod zones;
