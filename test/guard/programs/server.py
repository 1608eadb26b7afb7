# server.py PORT: the first line of a client is its name. The server writes ten times a second to
# clients whose name begins with "in flight".
import socket
import socketserver
import sys
import time


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        name = self.rfile.readline().decode().strip()
        try:
            while name.startswith("in flight"):
                self.request.sendall(b"x" * 100)
                time.sleep(0.1)
            self.request.recv(1)
        except OSError as error:
            print(f"lost {name}: {error}", flush=True)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6


Server(("::", int(sys.argv[1])), Client).serve_forever()
