"""DiffSFSR in the order in which data flows. Pure torch and diffusers, no ComfyUI.

    identity photos  -> face_mesh -> geometry.align (112) -> recogniser -> Identity    (compound code)
    expression photo -> face_mesh -> blendshapes minus neutral          -> Expression  (0 = neutral)
    one of 135 words -> library (codes and pictures: references)        -> Expression
    any words -> words -> one of 135, with an intensity;   photos by label -> user_library -> Expression
    Expression -> expression_edit (sliders, strength, mix, travel), expression_file (files, named values, landmarks)
    Identity -> identity_file
    background       -> face_mesh -> geometry.crop, blending.face_mask  -> Background  (crop, mask, head pose)

    Identity, Expression, pose -> conditioner -> tokens
    crop without its face -> autoencoder -> background latents
    noise -> denoiser(z_t, t | tokens ; mask, background latents) -> sampling.ddim, two-step guidance -> z_0
    z_0 -> autoencoder -> crop -> compositing (colour match, feathered paste) -> picture

    face_detector (or insightface_pack) -> face_mesh -> face_choice: which faces are meant, and pictures without them

    codes       what travels: Identity, Expression, Background      config      what a checkpoint says of itself
    encoders    photos and words to codes, codes to tokens          checkpoint  one .safetensors file
    diffsfsr    the whole, on diffusers                             tflite      MediaPipe's networks in torch

Letters: B batch, N faces found, P pictures, S side of the generation frame, C channels, T tokens, D identity code.
Pixels are RGB in [-1, 1]; points are (x, y) in pixels from the top left, the first pixel's centre at (0.5, 0.5).
"""


def __getattr__(name: str):
    """`from diffsfsr.models import DiffSFSR` without loading diffusers for those who only need a part."""
    if name == "DiffSFSR":
        from .pipeline import DiffSFSR

        return DiffSFSR
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
