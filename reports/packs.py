"""Evidence packs: asked for, built by a worker, downloaded; each on the record."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile

from audits import jobs
from audits.leases import Lease
from audits.models import Job
from people.access import require
from people.models import User
from people.roles import Duty
from registry import storage
from registry.models import Version
from reports import contents
from reports.events import Event
from reports.models import Pack
from trail.errors import BadInput
from trail.packing import write_pack
from trail.record import recording

KIND = "pack"
AS_ASKED = "Built as it was asked for"


def request(*, version: Version, actor: User, reason: str) -> Pack:
    """Ask for an evidence pack of a version; a worker builds it."""
    pack = Pack(version=version, requested_by=actor)
    with recording(Event.PACK_REQUESTED, actor=actor, reason=reason, subject=pack) as entry:
        require(actor, Duty.EXPORT, version.unit_path)
        pack.job = jobs.enqueue(KIND)
        entry.create(pack, "version")
    return pack


def failed(lease: Lease, sentence: str) -> None:
    pack = Pack.objects.select_related("requested_by", "version__model__unit").get(job=lease.job)
    with recording(Event.PACK_FAILED, actor=pack.requested_by, reason=AS_ASKED, subject=pack) as entry:
        entry.facts = {"error": sentence}
        lease.fail(sentence)


@jobs.handles(KIND, on_failure=failed)
def build(job: Job, lease: Lease) -> None:
    """Gather, render and seal a pack; it is there whole and recorded, or not at all."""
    pack = Pack.objects.select_related("requested_by", "version__model__unit", "version__artifact").get(job=job)
    sealed = contents.sealed(pack, progress=lease.progress)
    with TemporaryUploadedFile(f"{pack.pk}.zip", "application/zip", 0, None) as file:
        written = cast(BinaryIO, file.file)
        write_pack(written, sealed)
        written.flush()
        size, sha256 = written.tell(), storage.sha256(written)
        lease.progress(0.95, "Storing the pack")
        path = default_storage.save(f"packs/{pack.pk}.zip", file)
    try:
        with recording(Event.PACK_BUILT, actor=pack.requested_by, reason=AS_ASKED, subject=pack) as entry:
            entry.facts = {"sha256": sha256, "size": size, "files": len(sealed)}
            entry.change(pack, path=path, sha256=sha256, size=size)
            lease.succeed()
    except BaseException:
        default_storage.delete(path)
        raise


def open_download(*, pack: Pack, actor: User, reason: str) -> BinaryIO:
    """The pack's file, once the download is recorded. A file that is no longer what was recorded is not given out."""
    if not pack.path:
        sentence = f"The {pack} is {pack.job.get_status_display().lower()}; there is nothing to download yet."
        raise BadInput(sentence, where="pack", status=409)
    with recording(Event.PACK_DOWNLOADED, actor=actor, reason=reason, subject=pack) as entry:
        require(actor, Duty.EXPORT, pack.unit_path)
        entry.facts = {"sha256": pack.sha256}
        file = storage.open_kept(pack.path)
        if storage.sha256(file) != pack.sha256:
            file.close()
            sentence = f"The stored file of the {pack} is not the one that was built; ask for a new pack."
            raise BadInput(sentence, where="pack", status=409)
    return file


def file_name(pack: Pack) -> str:
    """A name that sorts well among others: model, version, moment."""
    return f"{pack.version.model.slug}-v{pack.version.number}-{pack.requested_at:%Y%m%d-%H%M%S}.zip"
