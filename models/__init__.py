"""DiffSFSR in the order in which data flows. Pure torch and diffusers, no ComfyUI.

    identity photos  -> faces -> frames.align (112) -> identity.recognisers -> Identity    (compound code)
    expression photo -> faces -> blendshapes minus neutral                  -> Expression  (0 = neutral)
    one of 135 words -> expression.library (codes; pictures: references)    -> Expression
    any words -> expression.words -> one of 135, and a degree;   photos by label -> expression.user_library
    Expression -> expression.edit (sliders, intensity, mix, travel), expression.file;   Identity -> identity.file
    background       -> faces -> frames.crop, masks.face_mask               -> Background  (crop, mask, head pose)

    Identity, Expression, pose -> conditions.Conditioner -> tokens
    mask; crop without its face (masks.remove_face) -> autoencoder -> planes
    noise -> network.denoiser(z_t, t | Conditions(tokens, planes)) -> network.sampling.ddim, two-step guidance -> z_0
    z_0 -> autoencoder -> painted crop, S pixels wide

    identity photos -> appearance.photos -> Identity.appearances            (the person's own pixels)
    their meshes, Expression, the scene's mesh -> appearance.shape -> the wanted mesh
    photo, painted crop, scene, each on the wanted mesh (appearance.warp) -> the scene's light (appearance.light)
        -> band by band (appearance.composite) -> appearance.retouch -> teeth behind shut lips (appearance.mouth)
        -> finished crop, k S wide   (all of it: appearance.finish)
    crop -> compositing (colour match, feathered paste; poisson: its other blend) -> picture

    faces       detector (or insightface_pack) -> mesh -> choice: which faces are meant, and pictures without them
    codes       what travels: Identity, Expression, Background
    encoders    photos and words to codes, codes to tokens and planes
    network     config: what a checkpoint says of itself; checkpoint: one .safetensors file
    readers     identity and expression of decoded estimates, for losses
    pipeline    the whole, on diffusers

Letters: B batch, N faces found, P pictures, S side of the generation frame, C channels, T tokens, D identity code.
Pixels are RGB in [-1, 1]; points are (x, y) in pixels from the top left, the first pixel's centre at (0.5, 0.5).
"""


def __getattr__(name: str):
    """`from diffsfsr.models import DiffSFSR` without loading diffusers for those who only need a part."""
    if name == "DiffSFSR":
        from .pipeline import DiffSFSR

        return DiffSFSR
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
