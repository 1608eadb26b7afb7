/**
 * Addresses of the two hosts, IPv4 and IPv6. Every network has the same ones, because each network
 * has namespaces of its own.
 */
export const ADDRESSES = {
  flat: { left: ["10.77.0.1", "fd77::1"], right: ["10.77.0.2", "fd77::2"] },
  routed: { left: ["10.77.1.1", "fd77:1::1"], right: ["10.77.2.1", "fd77:2::1"] },
} as const;

export const MACS = { left: "02:77:00:00:00:01", right: "02:77:00:00:00:02" } as const;

/** Addresses of the router, on its sides. */
export const ROUTER = {
  left: ["10.77.1.254", "fd77:1::fe"],
  right: ["10.77.2.254", "fd77:2::fe"],
} as const;

/** Link addresses of the middle's ends of the cables. */
export const MIDDLE_MACS = { left: "02:77:00:00:01:01", right: "02:77:00:00:01:02" } as const;
