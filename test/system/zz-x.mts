import { constants } from "node:http2";
import { rmSync } from "node:fs";
const R = "/work/main/";
const { RouterProcess } = await import(R + "test/support/router-process.ts");
const { temporaryDirectory } = await import(R + "test/support/live-installation.ts");
const { memoryOf } = await import(R + "test/support/process-memory.ts");
const { rawConnection, envelope, answerOf } = await import(R + "test/support/raw-grpc.ts");
const { aStartOf, aPhoneNumber } = await import(R + "test/support/signature-requests.ts");
const dir = temporaryDirectory();
const router = await RouterProcess.start({ env: { DATA_DIR: dir, LOG_LEVEL: "error", SIGNATURE_LIMIT_CALLER_PER_SECOND: "0", NODE_OPTIONS: process.argv[3] ?? "" }, cwd: dir });
const mib = () => { const m = memoryOf(router.pid); return `${Math.round(m.now / 2 ** 20)}/${Math.round(m.peak / 2 ** 20)}`; };
const { signature } = await router.client.startSignature(aStartOf(aPhoneNumber()));
const id = signature.id;
for (let i = 0; i < 200; i++) await router.client.getSignature({ signatureId: id });
const timed = async (label: string) => { const t = performance.now(); await router.client.getSignature({ signatureId: id }, { deadlineMs: 60000 }); console.log(label, mib(), "call", Math.round(performance.now() - t), "ms"); };
await timed("rest");
const svc = "bank.signature.v1.SignatureService";
const start = svc + "/StartSignature", get = svc + "/GetSignature", refl = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const body = Buffer.concat([Buffer.from([0, 0, 0, 0, 200]), Buffer.alloc(15)]);
const pong = (one: any) => one.session.destroyed ? undefined : new Promise((r) => one.session.ping(r));
const what = process.argv[2];
if (what === "reset") for (let round = 0; round < 8; round++) {
  const some = await Promise.all([1, 2, 3].map(() => rawConnection(router.grpcAddress)));
  const closed = some.map(({ session }: any) => new Promise((r) => session.once("close", r)));
  for (let n = 0; n < 3000; n++) { for (const one of some) if (!one.session.destroyed) one.send(start, { body }).close(constants.NGHTTP2_CANCEL); if (n % 100 === 0) await new Promise(setImmediate); }
  await Promise.all(closed);
  await timed("reset " + round);
}
if (what === "slow") for (let round = 0; round < 3; round++) {
  for (const p of [start, refl]) {
  const some = await Promise.all([1, 2].map(() => rawConnection(router.grpcAddress)));
  for (const one of some) { for (let n = 0; n < 1000; n++) one.send(p, { body, end: false }); await pong(one); }
  await timed("slow " + p + round);
  for (const one of some) one[Symbol.dispose]();
  await timed("slow closed " + round);
  }
}
if (what === "endless") for (const p of ["no.such/M", start, get, refl]) {
  const one = await rawConnection(router.grpcAddress);
  const stream = one.send(p, { end: false }); stream.resume();
  const t = performance.now();
  for (let n = 0; n < 200 && !stream.destroyed; n++) { stream.write(Buffer.alloc(65536, 1)); if (n % 20 === 0) { const r = await Promise.race([pong(one), new Promise((x) => setTimeout(x, 2000, "late"))]); if (r === "late") console.log("no pong", n); } }
  console.log(p, "destroyed", stream.destroyed, stream.rstCode, Math.round(performance.now() - t));
  await timed("endless " + p);
  one[Symbol.dispose]();
}
if (what === "reader") for (const p of [get, svc + "/WatchSignature", refl]) {
  const q = envelope(Buffer.concat([Buffer.from([0x22, svc.length]), Buffer.from(svc)]));
  const b = envelope(Buffer.concat([Buffer.from([10, 36]), Buffer.from(id)]));
  const some = await Promise.all([1, 2].map(() => rawConnection(router.grpcAddress, { settings: { initialWindowSize: 0 } })));
  for (const one of some) { for (let n = 0; n < 500; n++) { const s = one.send(p, { body: p === refl ? q : b, end: p !== refl }); if (p === refl) for (let m = 0; m < 100; m++) s.write(q); } await pong(one); }
  await timed("reader " + p);
  for (const one of some) one[Symbol.dispose]();
  await timed("reader closed " + p);
}
if (what === "raw") { const { Attacker, preface } = await import(R + "test/system/http2-frames.ts"); const { floods } = await import(R + "test/system/http2-floods.ts");
 const f = floods.find((x: any) => x.name.includes("resets"));
 for (let r = 0; r < 5; r++) { const a = await Attacker.connect(router.grpcAddress); const t = performance.now(); const call = router.client.getSignature({ signatureId: id }, { deadlineMs: 60000 }); await a.write(preface); await a.flood(f.bytes, f.times); await a.closed; const closed = performance.now() - t; await timed("raw " + Math.round(closed)); console.log("after", Math.round(performance.now() - t)); } }
if (what === "garbage") {
  const { gzipSync } = await import("node:zlib"); const { randomBytes, randomInt } = await import("node:crypto");
  const conn = await rawConnection(router.grpcAddress);
  const comp = (m: any) => { const f = envelope(gzipSync(m)); f[0] = 1; return f; };
  const { create, toBinary } = await import("@bufbuild/protobuf"); const G = await import(R + "src/gen/bank/signature/v1/signature_service_pb.ts"); const whole = Buffer.from(toBinary(G.StartSignatureRequestSchema, create(G.StartSignatureRequestSchema, aStartOf(aPhoneNumber())))); const mut = () => { const c = Buffer.from(whole); for (let n = 0; n < 3; n++) c[randomInt(c.length)] = randomInt(256); return c; }; const startBody = envelope(whole);
  const bomb = comp(Buffer.alloc(50 << 20));
  const bodies: any = { mut: () => envelope(mut()), mut2: () => envelope(mut()),  rnd: () => randomBytes(randomInt(200)), env: () => envelope(randomBytes(randomInt(200))), cut: () => startBody.subarray(0, randomInt(startBody.length)), big: () => envelope(Buffer.alloc(70000, 10)), huge: () => Buffer.from([0, 255, 255, 255, 255, 1]), flag: () => Buffer.from([randomInt(256), 0, 0, 0, 1, 1]), comp: () => comp(whole), bomb: () => bomb, bad: () => Buffer.concat([Buffer.from([1]), envelope(randomBytes(100)).subarray(1)]), two: () => Buffer.concat([startBody, startBody, randomBytes(3)]) };
  const headers: any[] = [{}, { "grpc-encoding": "gzip" }, { "grpc-encoding": "br" }, { "grpc-timeout": "99999999999S" }, { "grpc-timeout": "-1m" }, { "grpc-timeout": "0n" }, { "content-type": "application/grpc+json" }, { "content-type": "application/grpc; charset=ÿ" }, { ":method": "GET" }, { ":method": "OPTIONS" }, { expect: "100-continue" }, { expect: "é" }, { traceparent: "00-zz-1-1", tracestate: "=,=;".repeat(50), baggage: "%".repeat(2000) }, { "x-bytes-bin": "!!!", "x-latin": "ÿ" }, { ":authority": "[::" }, { ":scheme": "javascript" }];
  const hung: any = {}; const st: any = {};
  for (let rr = 0; rr < 8; rr++) for (const h of headers) { const t = performance.now(); await Promise.all([start, get, svc + "/WatchSignature", svc + "/SendChallenge", svc + "/CompleteSignature", svc + "/AbortSignature", start + "/",  svc + "/Steal", refl, "grpc.health.v1.Health/Check", "", ".."].flatMap((p) => Object.entries(bodies).map(async ([n, b]: any) => {
    const bb = b(); const s = conn.send(p, { headers: h, body: bb });
    const a: any = await Promise.race([answerOf(s), new Promise((r) => setTimeout(r, 3000, "hung"))]);
    if (a === "hung") { const k = JSON.stringify(h).slice(0, 60) + " " + p.split("/").at(-1) + " " + n; hung[k] = s.state?.state; console.log("HUNG", k, bb.subarray(0, 300).toString("hex"), s.sentHeaders[":path"], s.destroyed, s.closed, s.rstCode, JSON.stringify(s.state), conn.session.destroyed); } else { const k = JSON.stringify(h).slice(0,30) + String(a["grpc-status"] ?? "HTTP" + a[":status"]); st[k] = (st[k] ?? 0) + 1; }
  })));  }
  console.log(Object.keys(hung).length, Object.keys(hung).slice(0, 40).join("\n")); console.log(st);
}
const t = performance.now();
const exit = await router.kill("SIGTERM"); console.log("exit", JSON.stringify(exit), Math.round(performance.now() - t)); router.client.close();
const lines = router.stdout.filter((l: string) => l.includes("error")); console.log(lines.length, lines.slice(0, 3).join("\n").slice(0, 600), router.stderr.join("\n").slice(0, 500));
rmSync(dir, { recursive: true, force: true });
process.exit(0);
