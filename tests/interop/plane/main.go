// A control plane on go-control-plane, driven by lines on standard input.
//
// Each line is a JSON object: the whole of what is served from then on, or {"restart": true}. Each is
// answered by a line, "ok" or why not. It listens on a free port of the loopback, which is the first line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Everybody is the same node.
type anyNode struct{}

func (anyNode) ID(*core.Node) string { return "any" }

type host struct {
	Port     uint32 `json:"port"`
	Weight   uint32 `json:"weight"`
	Health   int32  `json:"health"`
	Priority uint32 `json:"priority"`
}

type service struct {
	Name string `json:"name"`
	// The name under which endpoints are asked for, if it is another.
	Eds    string `json:"eds"`
	Policy int32  `json:"policy"`
	// A ring whose least size is above its greatest.
	Bad bool `json:"bad"`
	// Nothing is served for its endpoints.
	NoEndpoints bool   `json:"no_endpoints"`
	Hosts       []host `json:"hosts"`
}

type change struct {
	Restart  bool      `json:"restart"`
	Version  string    `json:"version"`
	Services []service `json:"services"`
}

func (s service) edsName() string {
	if s.Eds != "" {
		return s.Eds
	}
	return s.Name
}

func (s service) cluster() *cluster.Cluster {
	made := &cluster.Cluster{
		Name:                 s.Name,
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		ConnectTimeout:       durationpb.New(5 * time.Second),
		LbPolicy:             cluster.Cluster_LbPolicy(s.Policy),
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{
			ServiceName: s.Eds,
			EdsConfig: &core.ConfigSource{
				ResourceApiVersion:    core.ApiVersion_V3,
				ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
			},
		},
	}
	if s.Bad {
		made.LbPolicy = cluster.Cluster_RING_HASH
		made.LbConfig = &cluster.Cluster_RingHashLbConfig_{RingHashLbConfig: &cluster.Cluster_RingHashLbConfig{
			MinimumRingSize: wrapperspb.UInt64(10),
			MaximumRingSize: wrapperspb.UInt64(5),
		}}
	}
	return made
}

func (s service) assignment() *endpoint.ClusterLoadAssignment {
	made := &endpoint.ClusterLoadAssignment{ClusterName: s.edsName()}
	for _, h := range s.Hosts {
		weight := h.Weight
		if weight == 0 {
			weight = 1
		}
		address := &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
			Address:       "127.0.0.1",
			PortSpecifier: &core.SocketAddress_PortValue{PortValue: h.Port},
		}}}
		made.Endpoints = append(made.Endpoints, &endpoint.LocalityLbEndpoints{
			Locality: &core.Locality{Zone: fmt.Sprintf("z%d", h.Port)},
			Priority: h.Priority,
			LbEndpoints: []*endpoint.LbEndpoint{{
				HealthStatus:        core.HealthStatus(h.Health),
				LoadBalancingWeight: wrapperspb.UInt32(weight),
				HostIdentifier:      &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: address}},
			}},
		})
	}
	return made
}

// A cache of the kind that was asked for.
type store interface {
	serve(change) error
	cache() cache.Cache
}

type snapshots struct{ kept cache.SnapshotCache }

func (s snapshots) cache() cache.Cache { return s.kept }

func (s snapshots) serve(c change) error {
	var clusters, assignments []types.Resource
	for _, each := range c.Services {
		clusters = append(clusters, each.cluster())
		if !each.NoEndpoints {
			assignments = append(assignments, each.assignment())
		}
	}
	snapshot, err := cache.NewSnapshot(c.Version, map[resource.Type][]types.Resource{
		resource.ClusterType:  clusters,
		resource.EndpointType: assignments,
	})
	if err != nil {
		return err
	}
	return s.kept.SetSnapshot(context.Background(), "any", snapshot)
}

// A linear cache for each type behind a mux.
type linear struct{ clusters, assignments *cache.LinearCache }

func (l linear) cache() cache.Cache {
	byType := func(typeURL string) string { return typeURL }
	return &cache.MuxCache{
		Classify:      func(r *cache.Request) string { return byType(r.GetTypeUrl()) },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return byType(r.GetTypeUrl()) },
		Caches: map[string]cache.Cache{
			resource.ClusterType:  l.clusters,
			resource.EndpointType: l.assignments,
		},
	}
}

func (l linear) serve(c change) error {
	clusters, assignments := map[string]types.Resource{}, map[string]types.Resource{}
	for _, each := range c.Services {
		clusters[each.Name] = each.cluster()
		if !each.NoEndpoints {
			assignments[each.edsName()] = each.assignment()
		}
	}
	l.assignments.SetResources(assignments)
	l.clusters.SetResources(clusters)
	return nil
}

func listen(address string, from cache.Cache) (*grpc.Server, net.Addr, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	serving := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(serving, server.NewServer(context.Background(), from, nil))
	go func() {
		// It ends when it is stopped.
		_ = serving.Serve(listener)
	}()
	return serving, listener.Addr(), nil
}

func main() {
	kind := flag.String("cache", "snapshot", "snapshot or linear")
	flag.Parse()
	var kept store
	switch *kind {
	case "snapshot":
		kept = snapshots{cache.NewSnapshotCache(true, anyNode{}, nil)}
	case "linear":
		kept = linear{cache.NewLinearCache(resource.ClusterType), cache.NewLinearCache(resource.EndpointType)}
	default:
		log.Fatalf("no cache %q", *kind)
	}
	serving, address, err := listen("127.0.0.1:0", kept.cache())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(address)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var next change
		err := json.Unmarshal(lines.Bytes(), &next)
		switch {
		case err != nil:
		case next.Restart:
			serving.Stop()
			serving, _, err = listen(address.String(), kept.cache())
		default:
			err = kept.serve(next)
		}
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}
