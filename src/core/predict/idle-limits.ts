/** How long well-known boxes in the path remember a silent TCP connection. */
export interface IdleLimit {
  readonly name: string;
  readonly limitMs: number;
  readonly source: string;
}

export const IDLE_LIMITS: readonly IdleLimit[] = [
  { name: "AWS Network Load Balancer", limitMs: 350_000, source: "AWS documentation, NLB idle timeout (default)" },
  { name: "AWS NAT Gateway", limitMs: 350_000, source: "AWS documentation, NAT gateway idle timeout" },
  { name: "Azure Load Balancer", limitMs: 240_000, source: "Azure documentation, TCP idle timeout (default 4 min)" },
  { name: "AWS Application Load Balancer", limitMs: 60_000, source: "AWS documentation, ALB idle timeout (default; counts data only)" },
  { name: "Google Cloud VPC", limitMs: 600_000, source: "Google Cloud documentation, connection tracking of idle TCP" },
  { name: "HAProxy, recommended timeouts", limitMs: 60_000, source: "HAProxy documentation, timeout client and server (data only)" },
  { name: "a NAT by RFC 5382", limitMs: 7_440_000, source: "RFC 5382, REQ-5: not less than 2 h 4 min" },
];
