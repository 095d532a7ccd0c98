#!/usr/bin/env python3
"""IBM's own SDK against a running emulator, with an API key and with HMAC keys.

    run.py --serve "COMMAND" [--venv DIR]

COMMAND gets a directory as its last argument and prints a line with "listening on URL" when it is ready, such as
"pailfs serve" or the test executable emulator_server. The SDK (ibm-cos-sdk) is installed into a virtual environment.
One line a check, then "N passed, N failed, N skipped". Exit status: 0 all passed, 1 some failed, 77 could not run.
"""
import argparse
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
import urllib.error
import urllib.request

SKIPPED = 77
PART = 5 << 20


def skip(why):
    print(f"skipped: {why}")
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(SKIPPED)


def run_inside_venv(venv):
    """Installs the SDK where it is missing and starts this script again with that Python."""
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True)
        if made.returncode != 0:
            skip(f"no virtual environment: {made.stderr.strip() or made.stdout.strip()}")
    if subprocess.run([python, "-c", "import ibm_boto3"], capture_output=True).returncode != 0:
        installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "ibm-cos-sdk"],
                                   capture_output=True, text=True)
        if installed.returncode != 0:
            lines = installed.stderr.strip().splitlines()
            skip(f"pip could not install ibm-cos-sdk: {lines[-1] if lines else 'no reason given'}")
    os.execv(python, [python] + sys.argv + ["--inside"])


class Server:
    def __init__(self, command, directory):
        self.process = subprocess.Popen(shlex.split(command) + [directory], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"https?://[^\s,]+", line)
        if not found:
            self.stop()
            raise SystemExit(f"the server did not say where it listens: {line!r}")
        self.url = found.group(0)
        with open(os.path.join(directory, "credentials.json")) as file:
            self.credentials = json.load(file)

    def control(self, name, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/-/control/{name}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def make_client(server, how):
    import ibm_boto3
    from ibm_botocore.client import Config

    options = {"signature_version": "oauth" if how == "api-key" else "s3v4", "s3": {"addressing_style": "path"},
               "retries": {"max_attempts": 2}}
    keys = server.credentials
    if how == "api-key":
        return ibm_boto3.client("s3", ibm_api_key_id=keys["apikey"], ibm_auth_endpoint=keys["iam_auth_endpoint"],
                                ibm_service_instance_id=keys["resource_instance_id"], endpoint_url=server.url,
                                config=Config(**options))
    hmac = keys["cos_hmac_keys"]
    return ibm_boto3.client("s3", aws_access_key_id=hmac["access_key_id"], region_name="us-south",
                            aws_secret_access_key=hmac["secret_access_key"], endpoint_url=server.url,
                            config=Config(**options))


def refused(code, call, **arguments):
    """The status and code that a call is refused with must be these."""
    from ibm_botocore.exceptions import ClientError
    try:
        call(**arguments)
    except ClientError as error:
        got = (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
        wanted = code if isinstance(code, tuple) else (got[0], code)
        assert got == wanted, f"refused with {got}, not {wanted}"
        return
    raise AssertionError(f"was not refused with {code}")


class Checks:
    """Each check_ method is one line of the result; they run in the order they stand here."""

    def __init__(self, server, how):
        self.server = server
        self.how = how
        self.s3 = make_client(server, how)
        self.bucket = f"sdk-{how}"

    def put(self, key, body=b"x", **more):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key, **more):
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, **more)
        return answer, answer["Body"].read()

    def check_bucket_is_created_listed_and_located(self):
        self.s3.create_bucket(Bucket=self.bucket,
                              CreateBucketConfiguration={"LocationConstraint": "eu-de-standard"})
        assert self.bucket in [b["Name"] for b in self.s3.list_buckets()["Buckets"]]
        self.s3.head_bucket(Bucket=self.bucket)
        assert self.s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"] == "eu-de-standard"

    def check_bucket_that_exists_is_refused(self):
        refused((409, "BucketAlreadyExists"), self.s3.create_bucket, Bucket=self.bucket)

    def check_extended_bucket_list_names_locations(self):
        instance = self.server.credentials["resource_instance_id"]  # this call alone wants it named
        answer = self.s3.list_buckets_extended(Prefix=self.bucket, IBMServiceInstanceId=instance)
        assert answer["Buckets"][0]["LocationConstraint"] == "eu-de-standard", answer["Buckets"]

    def check_missing_bucket_is_404(self):
        refused((404, "NoSuchBucket"), self.s3.list_objects, Bucket="no-such-bucket")
        refused((404, "404"), self.s3.head_bucket, Bucket="no-such-bucket")

    def check_object_comes_back_with_headers_and_metadata(self):
        body = os.urandom(100_000)
        put = self.put("dir/object", body, ContentType="text/plain", CacheControl="no-cache",
                       Metadata={"mode": "33188", "name": "value with  spaces"})
        answer, got = self.get("dir/object")
        assert got == body
        assert answer["ETag"] == put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert answer["ContentType"] == "text/plain" and answer["CacheControl"] == "no-cache"
        assert answer["Metadata"]["mode"] == "33188" and answer["Metadata"]["name"] == "value with  spaces"
        head = self.s3.head_object(Bucket=self.bucket, Key="dir/object")
        assert head["ContentLength"] == len(body) and head["ResponseMetadata"]["HTTPStatusCode"] == 200

    def check_empty_object_and_odd_keys(self):
        for key in ["empty", "with space+plus&amp;", "ünï/cödé", "a//b", "percent%2Fsign", "quote\"'<>", "q?x=1#y"]:
            self.put(key, b"")
            assert self.get(key)[1] == b"", key
            self.s3.delete_object(Bucket=self.bucket, Key=key)
        long_key = "k" * 1024
        self.put(long_key, b"long")
        assert self.get(long_key)[1] == b"long"
        refused("KeyTooLong", self.put, key="k" * 1025)
        self.s3.delete_object(Bucket=self.bucket, Key=long_key)

    def check_ranges(self):
        body = bytes(range(256)) * 100
        self.put("ranges", body)
        for text, want in [("bytes=0-9", body[:10]), ("bytes=100-", body[100:]), ("bytes=-7", body[-7:]),
                           ("bytes=25590-99999", body[25590:])]:
            answer, got = self.get("ranges", Range=text)
            assert got == want and answer["ResponseMetadata"]["HTTPStatusCode"] == 206, text
        refused((416, "InvalidRange"), self.get, key="ranges", Range="bytes=25600-")

    def check_read_conditions(self):
        etag = self.put("conditions")["ETag"]
        self.get("conditions", IfMatch=etag)
        refused((412, "PreconditionFailed"), self.get, key="conditions", IfMatch='"other"')
        refused((304, "304"), self.get, key="conditions", IfNoneMatch=etag)
        modified = self.s3.head_object(Bucket=self.bucket, Key="conditions")["LastModified"]
        refused((304, "304"), self.get, key="conditions", IfModifiedSince=modified)
        self.get("conditions", IfUnmodifiedSince=modified)

    def check_response_overrides(self):
        self.put("override")
        answer, _ = self.get("override", ResponseContentType="text/html", ResponseCacheControl="max-age=5")
        assert answer["ContentType"] == "text/html" and answer["CacheControl"] == "max-age=5"

    def check_wrong_content_md5_is_refused(self):
        refused((400, "BadDigest"), self.put, key="digest", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        refused((404, "NoSuchKey"), self.get, key="digest")

    def check_checksums(self):
        for algorithm in ["CRC32", "SHA1", "SHA256"]:
            self.put("checksum", b"hello world", ChecksumAlgorithm=algorithm)
            assert self.get("checksum")[1] == b"hello world"
        refused((400, "BadDigest"), self.put, key="checksum", body=b"hello world", ChecksumCRC32="AAAAAA==")

    def check_upload_from_stream(self):
        body = os.urandom(300_000)
        self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "stream")
        assert self.get("stream")[1] == body

    def check_copy_keeps_or_replaces_metadata(self):
        self.put("source", b"copy me", Metadata={"a": "1"}, ContentType="text/x")
        source = {"Bucket": self.bucket, "Key": "source"}
        self.s3.copy_object(Bucket=self.bucket, Key="kept", CopySource=source)
        answer, body = self.get("kept")
        assert body == b"copy me" and answer["Metadata"] == {"a": "1"} and answer["ContentType"] == "text/x"
        self.s3.copy_object(Bucket=self.bucket, Key="source", CopySource=source, MetadataDirective="REPLACE",
                            Metadata={"b": "2"})
        answer, body = self.get("source")
        assert body == b"copy me" and answer["Metadata"] == {"b": "2"}

    def check_copy_conditions(self):
        source = {"Bucket": self.bucket, "Key": "source"}
        refused((412, "PreconditionFailed"), self.s3.copy_object, Bucket=self.bucket, Key="never",
                CopySource=source, CopySourceIfMatch='"other"')
        refused((400, "InvalidRequest"), self.s3.copy_object, Bucket=self.bucket, Key="source", CopySource=source)
        refused((404, "NoSuchKey"), self.s3.copy_object, Bucket=self.bucket, Key="never",
                CopySource={"Bucket": self.bucket, "Key": "nothing"})

    def fill(self, keys):
        for key in keys:
            self.put(key, b"12345")

    def check_listing_v1_pages(self):
        keys = [f"list/{i:02}" for i in range(25)]
        self.fill(keys)
        seen, marker = [], ""
        while True:
            page = self.s3.list_objects(Bucket=self.bucket, Prefix="list/", MaxKeys=10, Marker=marker)
            seen += [item["Key"] for item in page["Contents"]]
            assert "NextMarker" not in page
            if not page["IsTruncated"]:
                break
            marker = seen[-1]
        assert seen == keys
        assert page["Contents"][0]["Size"] == 5 and page["Contents"][0]["ETag"].startswith('"')

    def check_listing_v1_with_delimiter(self):
        self.fill(["tree/a/1", "tree/a/2", "tree/b/1", "tree/c", "tree/d/1"])
        page = self.s3.list_objects(Bucket=self.bucket, Prefix="tree/", Delimiter="/", MaxKeys=2)
        assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["tree/a/", "tree/b/"] and page["IsTruncated"]
        assert page["NextMarker"] == "tree/b/"
        page = self.s3.list_objects(Bucket=self.bucket, Prefix="tree/", Delimiter="/", Marker=page["NextMarker"])
        assert [i["Key"] for i in page["Contents"]] == ["tree/c"]
        assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["tree/d/"]

    def check_listing_v2_pages_and_options(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="list/",
                                                                  PaginationConfig={"PageSize": 7})
        seen = [item["Key"] for page in pages for item in page["Contents"]]
        assert seen == [f"list/{i:02}" for i in range(25)]
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="list/", StartAfter="list/22", FetchOwner=True)
        assert [i["Key"] for i in page["Contents"]] == ["list/23", "list/24"] and page["KeyCount"] == 2
        assert page["Contents"][0]["Owner"]["ID"]
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="tree/", Delimiter="/", EncodingType="url")
        assert page["KeyCount"] == 4 and page["EncodingType"] == "url"

    def check_listing_decodes_url_encoded_names(self):
        key = "enc/a b+c&ü\x01"
        self.put(key)
        page = self.s3.list_objects(Bucket=self.bucket, Prefix="enc/", EncodingType="url")
        from urllib.parse import unquote
        assert unquote(page["Contents"][0]["Key"]) == key, page["Contents"][0]["Key"]

    def check_multi_delete(self):
        keys = [f"delete/{i}" for i in range(5)]
        self.fill(keys)
        objects = [{"Key": key} for key in keys + ["delete/never-was"]]
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects})
        assert len(answer["Deleted"]) == 6 and "Errors" not in answer
        assert "Contents" not in self.s3.list_objects(Bucket=self.bucket, Prefix="delete/")
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        assert "Deleted" not in answer

    def start(self, key, **more):
        return self.s3.create_multipart_upload(Bucket=self.bucket, Key=key, **more)["UploadId"]

    def part(self, key, upload, number, body):
        answer = self.s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, key, upload, parts):
        return self.s3.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload,
                                                 MultipartUpload={"Parts": parts})

    def check_multipart_upload(self):
        first, second = os.urandom(PART), b"the end"
        upload = self.start("multi", Metadata={"kind": "parts"})
        parts = [self.part("multi", upload, 1, first), self.part("multi", upload, 2, second)]
        listed = self.s3.list_parts(Bucket=self.bucket, Key="multi", UploadId=upload)["Parts"]
        assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, PART), (2, 7)]
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]
        assert [(u["Key"], u["UploadId"]) for u in uploads] == [("multi", upload)]
        digests = hashlib.md5(first).digest() + hashlib.md5(second).digest()
        assert self.complete("multi", upload, parts)["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
        answer, body = self.get("multi")
        assert body == first + second and answer["Metadata"] == {"kind": "parts"}
        assert self.get("multi", Range=f"bytes={PART - 3}-{PART + 2}")[1] == (first + second)[PART - 3:PART + 3]
        assert "Uploads" not in self.s3.list_multipart_uploads(Bucket=self.bucket)

    def check_part_copy(self):
        upload = self.start("part-copy")
        source = {"Bucket": self.bucket, "Key": "multi"}
        parts = []
        for number, span in [(1, f"bytes=0-{PART - 1}"), (2, f"bytes={PART}-{PART + 6}")]:
            answer = self.s3.upload_part_copy(Bucket=self.bucket, Key="part-copy", UploadId=upload,
                                              PartNumber=number, CopySource=source, CopySourceRange=span)
            parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
        self.complete("part-copy", upload, parts)
        assert self.get("part-copy")[1] == self.get("multi")[1]

    def check_multipart_refusals(self):
        upload = self.start("bad")
        parts = [self.part("bad", upload, 1, b"small"), self.part("bad", upload, 2, b"end")]
        refused((400, "EntityTooSmall"), self.complete, key="bad", upload=upload, parts=parts)
        refused((400, "InvalidPartOrder"), self.complete, key="bad", upload=upload, parts=parts[::-1])
        wrong = [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]
        refused((400, "InvalidPart"), self.complete, key="bad", upload=upload, parts=wrong)
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key="bad", UploadId=upload)
        refused((404, "NoSuchUpload"), self.s3.list_parts, Bucket=self.bucket, Key="bad", UploadId=upload)
        refused((404, "NoSuchKey"), self.get, key="bad")

    def check_transfer_manager_in_parts(self):
        import ibm_boto3.s3.transfer as transfer
        body = os.urandom(17 << 20)
        config = transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
        self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "managed", Config=config)
        out = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "managed", out, Config=config)
        assert out.getvalue() == body

    def check_unimplemented_is_501(self):
        refused((501, "NotImplemented"), self.s3.get_bucket_cors, Bucket=self.bucket)

    def check_presigned_url_works_for_its_time_only(self):
        if self.how == "api-key":
            return  # the service has no presigned URLs from tokens
        url = self.s3.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": "source"},
                                             ExpiresIn=60)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"copy me"
        self.server.control("clock", "POST", {"advance_seconds": 120})
        try:
            urllib.request.urlopen(url)
            raise AssertionError("the URL outlived its time")
        except urllib.error.HTTPError as error:
            assert error.code == 403
        finally:
            self.server.control("clock", "POST", {"advance_seconds": -120})

    def check_bucket_is_deleted_only_when_empty(self):
        refused((409, "BucketNotEmpty"), self.s3.delete_bucket, Bucket=self.bucket)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for item in page.get("Contents", []):
                self.s3.delete_object(Bucket=self.bucket, Key=item["Key"])
        self.s3.delete_bucket(Bucket=self.bucket)
        assert self.bucket not in [b["Name"] for b in self.s3.list_buckets()["Buckets"]]


def run_checks(server, how):
    passed = failed = 0
    checks = Checks(server, how)
    for name in [name for name in vars(Checks) if name.startswith("check_")]:
        claim = name[len("check_"):].replace("_", " ")
        try:
            getattr(checks, name)()
            passed += 1
            print(f"passed: {how}: {claim}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {how}: {claim}\n{traceback.format_exc()}", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", required=True, help="command that serves; it gets a directory")
    parser.add_argument("--venv", default=os.path.join(tempfile.gettempdir(), f"pailfs-sdk-{os.getuid()}"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        run_inside_venv(options.venv)
    total_passed = total_failed = 0
    with tempfile.TemporaryDirectory() as directory:
        server = Server(options.serve, os.path.join(directory, "store"))
        try:
            for how in ["api-key", "hmac"]:
                passed, failed = run_checks(server, how)
                total_passed += passed
                total_failed += failed
        finally:
            server.stop()
    print(f"{total_passed} passed, {total_failed} failed, 0 skipped")
    sys.exit(1 if total_failed else 0)


if __name__ == "__main__":
    main()
