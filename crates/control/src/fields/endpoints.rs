//! `endpoint.proto`, `endpoint_components.proto`.

use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
    cluster_load_assignment::Policy, cluster_load_assignment::policy::DropOverload,
    lb_endpoint::HostIdentifier, locality_lb_endpoints::LbConfig,
};

use super::{row, tables, within};

tables! {
    message ClusterLoadAssignment {
        cluster_name: InForce,
        endpoints: InForce nested,
        named_endpoints: Tolerated "nothing can refer to them",
        policy: InForce nested,
    }

    message Policy {
        drop_overloads: InForce nested "at most one",
        overprovisioning_factor: InForce,
        endpoint_stale_after: Later,
        weighted_priority_health: InForce,
    }

    message DropOverload {
        category: InForce,
        drop_percentage: InForce,
    }

    message LocalityLbEndpoints {
        locality: InForce,
        metadata: Tolerated,
        lb_endpoints: InForce nested,
        load_balancing_weight: InForce "counts only with locality_weighted_lb_config",
        priority: InForce,
        proximity: Tolerated,
    }
    oneof lb_config: LbConfig {
        LoadBalancerEndpoints "load_balancer_endpoints": Refused "use lb_endpoints",
        LedsClusterLocalityConfig "leds_cluster_locality_config": Refused "LEDS is not supported",
    }

    message LbEndpoint {
        health_status: InForce,
        metadata: InForce nested,
        load_balancing_weight: InForce,
    }
    oneof host_identifier: HostIdentifier {
        Endpoint "endpoint": InForce nested,
        EndpointName "endpoint_name": Refused "named endpoints are not supported",
    }

    message Endpoint {
        address: InForce,
        health_check_config: Tolerated "there are no active health checks",
        hostname: InForce,
        additional_addresses: Tolerated "the first address alone is used",
        observability_name: Tolerated,
    }
}
