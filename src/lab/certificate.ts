/**
 * A self-signed P-256 certificate for the lab's own namespaces, made with `openssl req -x509`. The
 * certificate secures nothing and is trusted nowhere else.
 */
export const LAB_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUEA6o6cLK4jBvkjijLAtnkHK/eOYwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUbGFiLmhhbGZvcGVuLmludmFsaWQwIBcNMjYxMTIzMDkzOTQ5
WhgPMjEyNjEwMzAwOTM5NDlaMB8xHTAbBgNVBAMMFGxhYi5oYWxmb3Blbi5pbnZh
bGlkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbw/rNXAQVz42i0x9601/Q+kG
TRgViPlS4ezXeS6SjfzkBYDcd+AypuFXZ8IoUNyLenf0Nqx4mpIM6XHtyIxsaqNT
MFEwHQYDVR0OBBYEFI/3B7FWyMT3axmnpI1nRl21hbswMB8GA1UdIwQYMBaAFI/3
B7FWyMT3axmnpI1nRl21hbswMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgJ1KEIU2JVQKU9ccBOdQgOa1eciGMvyxOBnPZqbPCdvQCIQCvn+A5cGRE
h8jkPKf4FqDVou4dIhOndUyyDhIecrVuDg==
-----END CERTIFICATE-----
`;

export const LAB_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqG+7ha+TZEOZ4ReF
mlszM3ZOK3dsomHj6Fz85zyaGhGhRANCAARvD+s1cBBXPjaLTH3rTX9D6QZNGBWI
+VLh7Nd5LpKN/OQFgNx34DKm4VdnwihQ3It6d/Q2rHiakgzpce3IjGxq
-----END PRIVATE KEY-----
`;
