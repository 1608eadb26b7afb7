/** An OPC UA server on 4840, without encryption. */
import { nodesets } from "node-opcua-nodesets";
import { OPCUAServer } from "node-opcua-server";

const server = new OPCUAServer({ port: 4840, nodeset_filename: [nodesets.standard] });
await server.initialize();
await server.start();
