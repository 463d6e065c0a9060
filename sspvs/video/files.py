"""Finding video files, and which container formats are opened: those that are one file, and none that names others.

A playlist (ffconcat, HLS, DASH), a session description or a pattern of picture files is read by FFmpeg from wherever it
points to, on this machine or another. FFmpeg is given a list of the formats that it may open, so that new ones of that
kind stay out. decord takes no such list, so what begins as one of the known ones is refused before either sees it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sspvs.errors import VideoError
from sspvs.overwriting import summary_files

_VIDEO = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,asf_o,flv,live_flv,kux,mpeg,mpegts,mpegvideo,mxf,gxf,ogg,rm,ivr,"
    "nut,nuv,nsv,wtv,dv,dhav,ty,lxf,r3d,cine,swf,ivf,yuv4mpegpipe,mjpeg,mjpeg_2000,mpjpeg,smjpeg,gif,apng,h261,h263,"
    "h264,hevc,vvc,evc,apv,av1,obu,m4v,dirac,vc1,vc1test,dnxhd,cavsvideo,avs2,avs3,ipu,pva,mxg,vivo,ser,filmstrip,flic,"
    "mods,moflex,mtv,mv,thp,usm,xmv,hxvs,ifv,ipmovie,ingenient,iv8,lmlm4,lvf,luodat,nc,simbiosis_imx,pdv,jpegxl_anim"
)
_GAMES = (
    "4xm,anm,avs,bethsoftvid,bfi,bink,bmv,c93,cdg,cdxl,dfa,dsicin,dxa,ea,film_cpk,gdv,hnm,idcin,iff,jv,mm,mvi,paf,pmp,"
    "psxstr,rl2,roq,rpl,sga,siff,smk,smush,tiertexseq,tmv,txd,vividas,vmd,wc3movie,wsvqa,yop"
)
_PICTURES = (
    "bmp_pipe,cri_pipe,dds_pipe,dpx_pipe,exr_pipe,gem_pipe,gif_pipe,hdr_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,"
    "jpegxs_pipe,pam_pipe,pbm_pipe,pcx_pipe,pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,"
    "png_pipe,ppm_pipe,psd_pipe,qdraw_pipe,qoi_pipe,sgi_pipe,sunrast_pipe,tiff_pipe,vbn_pipe,webp_pipe,xbm_pipe,xpm_pipe,"
    "xwd_pipe,fits,ico"
)
_SOUND = "aac,ac3,aiff,amr,ape,au,caf,dts,dtshd,eac3,flac,mp3,mlp,truehd,tta,w64,wav,wv"  # to report a missing picture

ONE_FILE = {"format_whitelist": ",".join((_VIDEO, _GAMES, _PICTURES, _SOUND)), "protocol_whitelist": "file"}
"""Options of FFmpeg for every file that is opened."""

_LISTS = (
    (rb"\s*ffconcat\s+version", "an ffconcat list"),
    (rb"\s*#EXTM3U", "an HLS playlist (.m3u8)"),
    (rb"(?i)[^\0]*<MPD\b", "a DASH manifest (.mpd)"),
    (rb"(?i)[^\0]*<(SmoothStreamingMedia|smil|asx)\b", "a playlist"),
    (rb"(?i)\s*(\[playlist\]|\[reference\]|rtsptext|<\?(wpl|quicktime))", "a playlist"),
    (rb"\s*v=0\r?\n(?s:.*)\nm=", "a session description (SDP)"),
)
VIDEO_SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    )
)
"""What is taken from a folder; a file named by the user is tried whatever its name."""


def list_of_files(start: bytes) -> str | None:
    """What a file is that begins so and names other files in place of holding a video; None when it is no such list."""
    return next((what for pattern, what in _LISTS if re.match(pattern, start.removeprefix(b"\xef\xbb\xbf"))), None)


@dataclass
class FoundVideos:
    """What a search for videos found."""

    # each video file, once, in the order given, and where it lies below the folder that was searched; `.` for a file
    # that was named itself
    folders: dict[Path, Path] = field(default_factory=dict)
    not_searched: int = 0  # folders in those that were searched, and were not searched themselves
    unreadable: list[str] = field(default_factory=list)  # sentences about sub-folders that cannot be read

    @property
    def videos(self) -> list[Path]:
        """The files."""
        return list(self.folders)


def list_videos(paths: Sequence[Path | str]) -> list[Path]:
    """The video files that `paths` stand for, as `find_videos` finds them without sub-folders."""
    return find_videos(paths).videos


def find_videos(paths: Sequence[Path | str], *, recursive: bool = False, out: Path | None = None) -> FoundVideos:
    """Video files as given, and those in folders by name, without hidden ones, our summaries, and `out`."""
    if not paths:
        raise ValueError("expected at least one video file or folder, got none")
    found = FoundVideos()
    for path in map(Path, paths):
        if path.is_dir():
            _search(path, found, recursive, out)
        elif path.exists():
            found.folders.setdefault(path, Path())
        else:
            raise VideoError(f"no such file or folder: {path}")
    return found


def _search(top: Path, found: FoundVideos, recursive: bool, out: Path | None) -> None:
    """Add the videos of a folder; links to folders come last, so that a video is found in its own folder."""
    seen = {out.resolve()} if out is not None and out.resolve() != top.resolve() else set()
    waiting, links, n_videos, passed = [top], list[Path](), 0, 0
    while waiting or links:
        folder = waiting.pop(0) if waiting else links.pop(0)
        if (place := folder.resolve()) in seen:
            continue
        seen.add(place)
        try:
            videos, folders = _inside(folder)
        except OSError as error:
            if folder == top:
                raise VideoError(f"cannot read the folder {folder}: {error.strerror}") from error
            found.unreadable.append(f"cannot read the folder {folder}: {error.strerror}; it was not searched")
            continue
        n_videos += len(videos)
        for path in videos:
            found.folders.setdefault(path, folder.relative_to(top))
        if recursive:
            waiting += [path for path in folders if not path.is_symlink()]
            links += [path for path in folders if path.is_symlink()]
        else:
            passed += sum(path.resolve() not in seen and not summary_files(path) for path in folders)
    found.not_searched += passed
    if not n_videos:
        more = f"; {sub_folders(passed)} in it {'was' if passed == 1 else 'were'} not searched: --recursive"
        looked_for = f"looked for {', '.join(sorted(VIDEO_SUFFIXES))}"
        raise VideoError(f"no videos in the folder {top} ({looked_for}{more if passed else ''})")


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Videos and folders directly in a folder, sorted by name."""
    ours = summary_files(folder)
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    videos = [
        entry
        for entry in entries
        if entry.suffix.lower() in VIDEO_SUFFIXES and entry.name not in ours and entry.is_file()
    ]
    return videos, [entry for entry in entries if entry.is_dir()]


def sub_folders(count: int) -> str:
    """So many sub-folders, in words."""
    return f"{count} sub-folder{'' if count == 1 else 's'}"
