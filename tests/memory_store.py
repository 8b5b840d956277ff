"""A store that is no folder: what depends on the interface alone works on it, too."""

import io
import math


class MemoryStore:
    def __init__(self):
        self.contents = {}

    def __str__(self):
        return "memory"

    def put(self, name, content):
        if name in self.contents:
            return False
        self.contents[name] = content
        return True

    def replace(self, name, content, durable=True):
        self.contents[name] = content

    def get(self, name):
        if name not in self.contents:
            raise FileNotFoundError(name)
        return io.BytesIO(self.contents[name])

    def stamp(self, name):
        content = self.contents.get(name)
        return None if content is None else (len(content), 0.0)

    def list(self, prefix):
        return sorted(name for name in self.contents if name.startswith(prefix))

    def delete(self, name):
        self.contents.pop(name, None)

    def free_bytes(self):
        return math.inf
