"""A gRPC server on the C core, with its settings as they come: echo on the port it is given; 0 takes a free one. Prints the port."""

from concurrent.futures import ThreadPoolExecutor
import sys

import grpc

echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("lab.Echo", {"Echo": echo}),))
port = server.add_insecure_port(f"0.0.0.0:{sys.argv[1]}")
server.start()
print(port, flush=True)
sys.stdin.read()
