import type { Http2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { peerOf } from "./authenticate.ts";
import type { Peer } from "./call.ts";

const plain: Peer = { kind: "plain" };
const gone: Peer = { kind: "certificate", subjectAltNames: [] };

/**
 * Who is at the other end of each connection. Reading a certificate is dear, so it is done once for each.
 * @param secure whether callers are known by certificate
 */
export function peersOfSessions(secure: boolean): (session: Http2Session | undefined) => Peer {
  const peers = new WeakMap<object, Peer>();
  return (session) => {
    if (!secure) return plain;
    const known = session && peers.get(session);
    if (known) return known;
    if (session === undefined || session.destroyed) return gone;
    const peer = peerOf(session.socket as TLSSocket);
    peers.set(session, peer);
    return peer;
  };
}
