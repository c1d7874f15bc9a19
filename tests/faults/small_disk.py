"""Small file systems of their own, to be filled."""

import os
import subprocess

FILLER = "filler"
# LOCK, MANIFEST, the one that is to replace it, and a segment.
SERVER_FILES = 4
KINDS = ["tmpfs", "ext4"]


class NoMount(Exception):
    """This process may not mount."""


class SmallDisk:
    """One that is mounted on folder until it is removed. data is where a server's files go."""

    def __init__(self, folder, kind, megabytes=12, options=""):
        self.folder = folder / "disk"
        self.folder.mkdir()
        self.image = folder / "image"
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m{options}", "tmpfs", self.folder]
        else:
            with open(self.image, "wb") as image:
                image.truncate((megabytes + 6) << 20)  # what ext4 takes for itself
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-J", "size=4", self.image], check=True, capture_output=True)
            command = ["mount", "-o", "loop", self.image, self.folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoMount(f"cannot mount a small {kind}: {done.stderr.strip()}")
        self.data = self.folder / "data"
        self.data.mkdir()
        self.others = []
        if "nr_inodes" in options:
            self._leave_few_inodes()

    def _leave_few_inodes(self):
        """Files of somebody else take all but as many as a server needs to start."""
        while os.statvfs(self.folder).f_favail > SERVER_FILES:
            self.others.append(self.folder / f"other-{len(self.others)}")
            self.others[-1].touch()

    def free(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, leave=0):
        """Until no more than leave bytes are free."""
        block = bytes(1 << 16)
        with open(self.folder / FILLER, "ab", buffering=0) as filler:
            while (room := self.free() - leave) > 0:
                try:
                    if filler.write(block[:room]) < min(room, len(block)):
                        break
                    os.fsync(filler.fileno())
                except OSError:
                    break

    def make_room(self):
        (self.folder / FILLER).unlink(missing_ok=True)

    def remove(self):
        subprocess.run(["umount", "-l", self.folder], capture_output=True, check=False)
        self.image.unlink(missing_ok=True)
