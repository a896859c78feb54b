const grpcType = /^application\/grpc(\+proto|\+json)?[ \t]*(?:;.*)?$/i;

/**
 * The content type of a gRPC request without its parameters, which mean nothing to gRPC: proxies and clients add
 * charsets, and other servers serve them. Undefined where it is not gRPC, or has a codec that nobody here reads.
 */
export function grpcContentType(value: string | undefined): string | undefined {
  const found = value === undefined ? null : grpcType.exec(value);
  return found === null ? undefined : `application/grpc${found[1]?.toLowerCase() ?? ""}`;
}
