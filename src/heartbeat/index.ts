/** `halfopen/heartbeat`: proofs that the peer's process lives, for well-known clients. No client is a dependency: types are structural. */
export { type AmqpLike, amqpPing, watchAmqp } from "./amqplib.ts";
export { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";
export {
  type EngineServerLike,
  type EngineSocketLike,
  type SocketIoLike,
  watchEngineIo,
  watchEngineIoServer,
  watchSocketIo,
} from "./engine-io.ts";
export type { Frame, FrameCodec, FrameDecoder } from "./frame-codec.ts";
export { FrameChannel, type FrameHeartbeatOptions, frameHeartbeat } from "./frame-heartbeat.ts";
export { type GrpcClientLike, grpcPing, watchGrpc } from "./grpc.ts";
export { http2Ping, watchHttp2 } from "./http2.ts";
export { type IoredisLike, ioredisPing, watchIoredis } from "./ioredis.ts";
export { type LengthPrefixedOptions, lengthPrefixed } from "./length-prefixed.ts";
export { type MqttLike, mqttPing, watchMqtt } from "./mqtt.ts";
export { type Mysql2Like, type Mysql2PoolLike, mysql2Ping, watchMysql2, watchMysql2Pool } from "./mysql2.ts";
export { type NatsLike, natsPing, watchNats } from "./nats.ts";
export { type NewlineOptions, newline } from "./newline.ts";
export { type NodeRedisLike, nodeRedisPing, watchNodeRedis } from "./node-redis.ts";
export { type PgClientLike, type PgPoolLike, pgPing, watchPg, watchPgPool } from "./pg.ts";
export { type WebSocketLike, type WebSocketServerLike, watchWs, watchWsServer, wsPing } from "./ws.ts";
