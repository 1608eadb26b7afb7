/** The time for which a well-known box on the path remembers a silent TCP connection. */
export interface IdleLimit {
  readonly name: string;
  readonly limitMs: number;
  readonly source: string;
}

/** Defaults, as documented in 2025. The operator of a box can change most of them. */
export const IDLE_LIMITS: readonly IdleLimit[] = [
  {
    name: "AWS Application Load Balancer",
    limitMs: 60_000,
    source:
      "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html (data counts, not probes)",
  },
  {
    name: "Azure Load Balancer and NAT Gateway",
    limitMs: 240_000,
    source: "Azure, TCP idle timeout: default 4 min, up to 120",
  },
  {
    name: "AWS Network Load Balancer",
    limitMs: 350_000,
    source:
      "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html",
  },
  { name: "AWS NAT Gateway", limitMs: 350_000, source: "AWS, NAT gateways: idle timeout of 350 s" },
  {
    name: "AWS Network Firewall",
    limitMs: 350_000,
    source:
      "https://docs.aws.amazon.com/network-firewall/latest/APIReference/API_FlowTimeouts.html",
  },
  {
    name: "Google Cloud VPC firewall",
    limitMs: 600_000,
    source: "Google Cloud, VPC firewall rules: connection tracking, idle for 10 min",
  },
  {
    name: "Linux IPVS (Kubernetes, Docker Swarm)",
    limitMs: 900_000,
    source: "ipvsadm --list --timeout, and moby issue 31208",
  },
  {
    name: "Google Cloud NAT",
    limitMs: 1_200_000,
    source: "Google Cloud, Cloud NAT: TCP established connection idle timeout 1200 s",
  },
  {
    name: "a NAT by RFC 5382",
    limitMs: 7_440_000,
    source: "RFC 5382, REQ-5: not less than 2 h 4 min",
  },
];
