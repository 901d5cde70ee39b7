"""A small server on this machine that speaks the endpoints of the Hub that its client uses to write and to read."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = (".safetensors", ".parquet", ".png")
"""Files whose bytes travel apart from the commit, as Git LFS objects."""


@dataclass
class Repository:
    """One repository: its files by path, the ``sdk`` of a Space, and how often it was committed to."""

    files: dict[str, bytes] = field(default_factory=dict)
    sdk: str | None = None
    private: bool = False
    commits: int = 0

    @property
    def sha(self):
        """A name for what the repository holds."""
        digest = hashlib.sha1()
        for path, data in sorted(self.files.items()):
            digest.update(f"{path} {hashlib.sha1(data).hexdigest()}\n".encode())
        return digest.hexdigest()


@dataclass
class Hub:
    """What the server holds. ``repositories`` are by (``models``, ``datasets`` or ``spaces``, ``ORG/NAME``)."""

    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    token: str | None = None
    port: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def address(self):
        """What ``HF_ENDPOINT`` is to be."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, home, inherited):
        """Return the environment of a process for which this server is the Hub and ``home`` its cache."""
        kept = {key: value for key, value in inherited.items() if not key.startswith("HF_")}
        return {**kept, "HF_ENDPOINT": self.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}


@contextmanager
def serve_hub(hub):
    """Serve a hub until the block ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self):
        self._answer(self._read)

    def do_GET(self):
        self._answer(self._read)

    def do_POST(self):
        self._answer(self._write)

    def do_PUT(self):
        self._answer(self._store)

    def _answer(self, respond):
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        self.hub.requests.append(f"{self.command} {self.path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        respond(unquote(parts.path))

    def _read(self, path):
        found = self._split(path)
        if found is None:
            return self._fault(404, "RepoNotFound")
        kind, name, action, rest = found
        repository = self.hub.repositories.get((kind, name))
        if repository is None or (repository.private and not self._allowed()):
            return self._fault(404, "RepoNotFound")
        if action and rest.partition("/")[0] not in ("main", repository.sha):
            return self._fault(404, "RevisionNotFound")
        if action == "resolve":
            wanted = rest.partition("/")[2]
            data = repository.files.get(wanted)
            return self._fault(404, "EntryNotFound") if data is None else self._file(repository, data)
        if action == "tree":
            below = rest.partition("/")[2]
            return self._json(_tree(repository.files, below, "true" in self.query.get("recursive", [""])[0].lower()))
        return self._json(_listing(name, repository))

    def _write(self, path):
        if path == "/api/validate-yaml":
            return self._validate()
        if "/paths-info/" not in path and not self._allowed():
            return self._fault(401, "", "Invalid username or password.")
        if path == "/api/repos/create":
            return self._create()
        if path == "/lfs/verify":
            asked = json.loads(self.body)
            return self._json({}) if asked["oid"] in self.hub.objects else self._fault(404, "EntryNotFound")
        found = self._split(path)
        if found is None or (found[0], found[1]) not in self.hub.repositories:
            return self._fault(404, "RepoNotFound")
        kind, name, action, _ = found
        repository = self.hub.repositories[(kind, name)]
        steps = {
            "preupload": self._preupload,
            "commit": lambda repository: self._commit(repository, f"{kind}/{name}".removeprefix("models/")),
            "paths-info": self._paths_info,
            "batch": self._batch,
        }
        return steps[action](repository)

    def _split(self, path):
        """Return kind, repository, action and what follows it, of an address of the API or of a file."""
        kinds = ("datasets", "spaces", "models")
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            parts = parts[1:]
        kind = parts.pop(0) if parts[0] in kinds else "models"
        if len(parts) < 2:
            return None
        organisation, name, action, *rest = [*parts, ""] if len(parts) == 2 else parts
        if name.endswith(".git"):
            return kind, f"{organisation}/{name.removesuffix('.git')}", rest[-1], ""
        return kind, f"{organisation}/{name}", action, "/".join(rest)

    def _allowed(self):
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _create(self):
        asked = json.loads(self.body)
        kind = f"{asked.get('type', 'model')}s"
        name = f"{asked['organization']}/{asked['name']}"
        prefix = "" if kind == "models" else f"{kind}/"
        known = (kind, name) in self.hub.repositories
        if not known:
            private = asked.get("visibility") == "private"
            self.hub.repositories[(kind, name)] = Repository(sdk=asked.get("sdk"), private=private)
        return self._json({"url": f"{self.hub.address}/{prefix}{name}"}, 409 if known else 200)

    def _validate(self):
        """As the Hub does: the head must be YAML, and a Space must say what runs it."""
        asked = json.loads(self.body)
        errors = []
        try:
            head = yaml.safe_load(asked["content"].split("---\n")[1])
            if asked["repoType"] == "space" and "sdk" not in head:
                errors.append({"message": '"sdk" is required'})
        except (yaml.YAMLError, IndexError) as error:
            errors.append({"message": f"not YAML: {error}"})
        return self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _preupload(self, repository):
        files = [
            {
                "path": entry["path"],
                "uploadMode": "lfs" if entry["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for entry in json.loads(self.body)["files"]
        ]
        return self._json({"files": files})

    def _batch(self, repository):
        wanted = json.loads(self.body)["objects"]
        return self._json({"transfer": "basic", "objects": [self._transfer(entry) for entry in wanted]})

    def _transfer(self, entry):
        if entry["oid"] in self.hub.objects:
            return entry
        upload = {"href": f"{self.hub.address}/lfs/{entry['oid']}"}
        return {**entry, "actions": {"upload": upload, "verify": {"href": f"{self.hub.address}/lfs/verify"}}}

    def _store(self, path):
        oid = hashlib.sha256(self.body).hexdigest()
        if path != f"/lfs/{oid}":
            return self._fault(400, "", "the bytes are not those that were announced")
        self.hub.objects[oid] = self.body
        return self._json({})

    def _commit(self, repository, place):
        for line in self.body.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.objects[value["oid"]]
            elif step["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits += 1
        url = f"{self.hub.address}/{place}/commit/{repository.sha}"
        return self._json({"commitUrl": url, "commitOid": repository.sha})

    def _paths_info(self, repository):
        asked = parse_qs(self.body.decode())["paths"]
        everything = {entry["path"]: entry for entry in _tree(repository.files, "", True)}
        return self._json([everything[path] for path in asked if path in everything])

    def _file(self, repository, data):
        span = self.headers.get("Range")
        part = data
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if span else 200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", repository.sha)
        self._send(part)

    def _json(self, value, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self._send(json.dumps(value).encode())

    def _fault(self, status, code, message=""):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self._send(b"")

    def _send(self, data):
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments):
        """Say nothing."""


def _listing(name, repository):
    siblings = [{"rfilename": path, "size": len(data)} for path, data in repository.files.items()]
    told = {"id": name, "sha": repository.sha, "siblings": siblings, "tags": [], "private": repository.private}
    return told if repository.sdk is None else {**told, "sdk": repository.sdk}


def _tree(files, below, recursive):
    """Return what lies in a folder: files, and folders as such."""
    start = f"{below.strip('/')}/" if below.strip("/") else ""
    entries = {}
    for path, data in sorted(files.items()):
        if not path.startswith(start):
            continue
        inner = path.removeprefix(start).split("/")
        for depth in range(1, len(inner) if recursive else min(2, len(inner))):
            folder = start + "/".join(inner[:depth])
            entries[folder] = {"type": "directory", "path": folder, "oid": hashlib.sha1(folder.encode()).hexdigest()}
        if recursive or len(inner) == 1:
            oid = hashlib.sha1(data).hexdigest()
            entries[path] = {"type": "file", "path": path, "size": len(data), "oid": oid}
    return list(entries.values())
