"""Prints a recorded Loki push as JSON, with Google's protobuf and Google's snappy.

    pip install grpcio-tools cramjam
    python decode.py push.snappy
"""
import pathlib
import sys
import tempfile

import cramjam
import grpc_tools
from google.protobuf.json_format import MessageToJson
from grpc_tools import protoc

here = pathlib.Path(__file__).parent
with tempfile.TemporaryDirectory() as generated:
    include = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    args = ["protoc", f"-I{here}", f"-I{include}", f"--python_out={generated}", "push.proto"]
    if protoc.main(args) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, generated)
    import push_pb2

request = push_pb2.PushRequest()
message = bytes(cramjam.snappy.decompress_raw(pathlib.Path(sys.argv[1]).read_bytes()))
request.ParseFromString(message)
# Zero fields that the encoder writes out are legal; a field that push.proto lacks would stay here.
request.DiscardUnknownFields()
print(MessageToJson(request))
