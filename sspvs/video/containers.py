"""Which container formats are opened: those that are one file, and none that names others.

A playlist (ffconcat, HLS, DASH), a session description or a pattern of picture files is read by FFmpeg from wherever it
points to, on this machine or another. FFmpeg is given a list of the formats that it may open, so that new ones of that
kind stay out. decord takes no such list, so what begins as one of the known ones is refused before either sees it.
"""

from __future__ import annotations

import re

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
_SOUND = (
    "aac,ac3,aiff,amr,ape,au,caf,dts,dtshd,eac3,flac,mp3,mlp,truehd,tta,w64,wav,wv"  # to say that it has no picture
)

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


def list_of_files(start: bytes) -> str | None:
    """What a file is that begins so and names other files in place of holding a video; None when it is no such list.

    Args:
        start: The first bytes of the file, without those of a byte order mark.
    """
    return next((what for pattern, what in _LISTS if re.match(pattern, start.removeprefix(b"\xef\xbb\xbf"))), None)
