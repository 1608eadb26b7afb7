/**
 * `halfopen/heartbeat`: proofs that the peer's process lives, for well-known clients and for
 * protocols of your own. No client is a dependency: types are structural.
 */

export { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";
export { type AmqpLike, amqpPing, watchAmqp } from "./clients/amqplib.ts";
export {
  type EngineServerLike,
  type EngineSocketLike,
  type SocketIoLike,
  watchEngineIo,
  watchEngineIoServer,
  watchSocketIo,
} from "./clients/engine-io.ts";
export { type GrpcClientLike, grpcPing, watchGrpc } from "./clients/grpc.ts";
export { http2Ping, watchHttp2 } from "./clients/http2.ts";
export { ioredisPing, watchIoredis } from "./clients/ioredis.ts";
export type { IoredisClusterLike, IoredisLike } from "./clients/ioredis-topology.ts";
export { type MqttLike, mqttPing, watchMqtt } from "./clients/mqtt.ts";
export {
  type Mysql2Like,
  type Mysql2PoolClusterLike,
  type Mysql2PoolLike,
  mysql2Ping,
  watchMysql2,
  watchMysql2Pool,
} from "./clients/mysql2.ts";
export { type NatsLike, natsPing, watchNats } from "./clients/nats.ts";
export { type NodeRedisLike, nodeRedisPing, watchNodeRedis } from "./clients/node-redis.ts";
export { type PgClientLike, type PgPoolLike, pgPing, watchPg, watchPgPool } from "./clients/pg.ts";
export {
  type WebSocketLike,
  type WebSocketServerLike,
  watchWs,
  watchWsServer,
  wsPing,
} from "./clients/ws.ts";
export { FrameChannel } from "./frames/frame-channel.ts";
export type { Frame, FrameCodec, FrameDecoder } from "./frames/frame-codec.ts";
export { type FrameHeartbeatOptions, frameHeartbeat } from "./frames/frame-heartbeat.ts";
export { type LengthPrefixedOptions, lengthPrefixed } from "./frames/length-prefixed.ts";
export { type NewlineOptions, newline } from "./frames/newline.ts";
