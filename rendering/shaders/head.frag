#version 330
// What a person is made of. PART: 0 skin and clothes, 1 eyes, teeth and tongue, 2 lashes. Colours are linear light.
#include light
uniform sampler2D masks;  // lips, eyelids, ears, inside of the mouth, in texture coordinates
uniform sampler2D noise;  // clouds, spots, hairs, grain
in vec3 world, n, c, in_light;
in vec2 texture_at;
flat in float kind;
in float ambient_occlusion, facial;
out vec4 colour;
const vec3 EYE = vec3(0.3078, 7.2842, 1.2454);

struct Material {
    vec3 albedo, normal, bleed;
    float wide, sharp;  // gloss
    float occlusion, opacity;
};

#if PART == 0
uniform sampler2D tints, whiskers, folds;  // see paint.py
uniform vec3 skin_colour, body_colour;  // of the face, which is the person's; of ears and neck, which are the scene's
uniform vec3 lip_colour, brow_colour, eyeshadow, clothes_colour, collar_colour, scalp_colour;
uniform vec3 moles[6];     // x, y, radius
uniform vec4 brow_shape;   // height, thickness, arch, density
uniform vec4 full_beard;   // on the jaw, under the nose, on the chin; how dark
uniform float hairline[10];  // every 20 degrees, see hair.py
uniform float redness, freckles, beard, eyeliner, lip_gloss, oiliness, unevenness, brow_gap, under_eyes, blush;
uniform float eyeshadow_strength, neckline, scalp;

Material material(vec3 normal) {
    vec2 m = vec2(abs(c.x), c.y);  // both sides of a face are alike
    vec2 on_map = (m - vec2(0.0, 6.0)) / vec2(0.9, 2.1);
    vec4 mask = texture(masks, texture_at), tint = texture(tints, on_map), whisker = texture(whiskers, on_map);
    float front = smoothstep(0.5, 0.75, c.z);
    float azimuth = atan(c.x, c.z - 0.3);
    vec2 around = vec2(azimuth, c.y - 7.0) * 0.9;
    vec4 coarse = texture(noise, around), fine = texture(noise, around * 2.3 + 0.37);
    tint *= front;
    whisker *= front * (1.0 - mask.r);

    vec3 skin = mix(body_colour, skin_colour, facial);
    skin *= 1.0 + unevenness * (coarse.r - 0.5) + 0.14 * (fine.g - 0.5) + 0.10 * (fine.a - 0.5);
    float red = clamp(redness * (tint.r + 0.7 * mask.b) * (0.6 + 0.8 * coarse.g), 0.0, 1.0);
    skin *= mix(vec3(1), vec3(1.08, 0.80, 0.77), red);
    skin *= mix(vec3(1), vec3(0.76, 0.68, 0.72), (0.3 + under_eyes) * tint.g);
    skin *= mix(vec3(1), vec3(1.1, 0.68, 0.66), blush * tint.b);
    skin *= mix(vec3(1), vec3(0.8, 0.66, 0.63), 0.7 * mask.g);
    skin = mix(skin, eyeshadow, eyeshadow_strength * max(tint.a, 0.8 * mask.g));
    skin *= mix(vec3(1), vec3(0.62, 0.45, 0.36), smoothstep(0.7, 0.95, fine.g) * freckles * tint.r);
    for (int i = 0; i < 6; i++) {
        float r = moles[i].z;
        skin *= mix(vec3(1), vec3(0.35, 0.24, 0.2), front * smoothstep(r, 0.5 * r, length(c.xy - moles[i].xy)) * step(1e-4, r));
    }
    skin *= mix(vec3(1), vec3(0.5, 0.5, 0.54), min(beard * whisker.r * (0.4 + 0.9 * fine.a), 0.85));
    vec3 grown = full_beard.xyz * whisker.gba;
    float hairy = full_beard.w * max(grown.x, max(grown.y, grown.z));
    skin = mix(skin, brow_colour * (0.5 + 1.1 * fine.b), min(hairy * (0.5 + 0.9 * fine.b), 0.95));
    float lips = smoothstep(0.15, 0.75, mask.r);
    skin = mix(skin, lip_colour * (0.85 + 0.3 * fine.b), 0.85 * lips);

    float steps = clamp(abs(azimuth) * 2.865, 0.0, 8.99);
    float line = mix(hairline[int(steps)], hairline[int(steps) + 1], fract(steps)) + 0.08 * (fine.b - 0.5);
    skin = mix(skin, scalp_colour * (0.7 + 0.5 * fine.b), scalp * smoothstep(-0.06, 0.10, c.y - line) * (1.0 - mask.b));

    float along = (m.x - 0.11 - brow_gap) / 0.46;  // of a brow: a bow over the eye, in hairs
    float centre = 7.44 + brow_shape.x + brow_shape.z * (0.10 - 0.13 * along) * along;
    float across = abs(m.y - centre) / max(0.045 * brow_shape.y * (1.0 - 0.65 * along * along), 0.004);
    float hairs = texture(noise, vec2(m.x * 2.2 + m.y * 1.2, m.y * 1.1 - m.x * 0.9)).b;
    float brow = smoothstep(1.2, 0.2, across) * smoothstep(-0.1, 0.12, along) * smoothstep(1.08, 0.8, along) * front;
    skin = mix(skin, brow_colour, min(brow * brow_shape.w * (0.35 + 1.1 * hairs), 0.95));
    skin = mix(skin, vec3(0.02, 0.015, 0.014), eyeliner * smoothstep(0.2, 0.6, mask.g) * 0.5);
    float inside = smoothstep(0.3, 0.7, mask.a);
    skin = mix(skin, vec3(0.30, 0.07, 0.06), inside);

    vec2 slope = (texture(folds, on_map).xy - 128.0 / 255.0) * (255.0 / 64.0);  // see renderer.py
    slope *= front * (1.0 - smoothstep(0.8, 0.9, m.x));
    slope.x *= sign(c.x);
    vec3 bumped = normalize(normal - vec3(slope, 0.0) + 0.12 * vec3(fine.a - 0.5, fine.g - 0.5, 0.0));

    float shirt = 6.0 - neckline * smoothstep(0.75, 0.0, m.x) * smoothstep(0.0, 0.8, c.z);
    float dressed = smoothstep(0.0, -0.03, c.y - shirt), collar = smoothstep(-0.14, -0.12, c.y - shirt);
    vec3 cloth = mix(clothes_colour, collar_colour, collar) * (0.8 + 0.4 * coarse.r);
    return Material(
        mix(skin, cloth, dressed), bumped, mix(vec3(0.42, 0.2, 0.12), vec3(0.05), dressed),
        oiliness * (0.7 + 0.6 * fine.r) * (1.0 - dressed) * (1.0 - 0.7 * hairy), (0.3 * oiliness + lip_gloss * lips) * (1.0 - dressed),
        ambient_occlusion * (1.0 - 0.5 * smoothstep(0.05, 0.0, abs(c.y - shirt))), 1.0);
}
#elif PART == 1
uniform vec3 iris_colour;

Material eye(vec3 normal) {
    vec3 ball = vec3(abs(c.x), c.yz) - EYE;
    float r = length(ball.xy) / 0.138 + 2.0 * step(ball.z, 0.0);
    float fibres = texture(noise, vec2(atan(ball.y, ball.x) * 0.9, r * 0.25)).b;
    vec3 iris = iris_colour * (0.55 + 0.7 * fibres) * (1.0 + 0.6 * smoothstep(0.33, 0.15, r));
    iris *= 1.0 - 0.75 * smoothstep(0.36, 0.46, r);
    vec3 white = mix(vec3(0.52, 0.48, 0.46), vec3(0.46, 0.31, 0.28), smoothstep(0.5, 1.1, r) * 0.7);
    vec3 albedo = mix(iris, white, smoothstep(0.43, 0.49, r)) * (smoothstep(0.13, 0.2, r) * 0.97 + 0.02);
    float shade = mix(1.0, 0.55, smoothstep(0.02, 0.10, ball.y));  // of the upper lid and its lashes
    return Material(albedo * shade, normal, vec3(0.3, 0.25, 0.25), 0.0, 4.0, 0.65, 1.0);
}

Material mouth(vec3 normal) {
    float tongue = step(2.5, kind);
    vec3 tooth = mix(vec3(0.76, 0.70, 0.60), vec3(0.45, 0.19, 0.17), smoothstep(0.10, 0.14, abs(c.y - 6.65)));
    tooth *= 0.75 + 0.25 * smoothstep(0.5, 0.36, abs(fract(c.x * 11.0) - 0.5));
    tooth *= smoothstep(0.40, 0.12, abs(c.x));  // those at the sides lie in the dark of the cheeks
    vec3 albedo = mix(tooth, vec3(0.45, 0.14, 0.13), tongue);
    return Material(albedo, normal, vec3(0.3), 0.5 * tongue, 0.8 * (1.0 - tongue), mix(0.75, 0.45, tongue), 1.0);
}

Material material(vec3 normal) {
    if (kind < 1.5) return eye(normal);
    return mouth(normal);
}
#else
uniform float lashes;

Material material(vec3 normal) {
    vec3 from = vec3(abs(c.x), c.yz) - EYE;
    float strands = 0.65 + 0.7 * texture(noise, vec2(atan(from.x, from.y) * 1.3, 0.2)).b;
    float opacity = lashes * (from.y > 0.0 ? 1.0 : 0.4) * strands * smoothstep(0.27, 0.15, length(from));
    if (opacity < 0.05) discard;
    return Material(vec3(0.02, 0.015, 0.012), normal, vec3(0), 0.0, 0.0, 1.0, opacity);
}
#endif

void main() {
    vec3 v = normalize(eye_position - world);
    Material a = material(normalize(n));
    float lit = shadow(in_light, a.normal);
    vec3 through = mix(vec3(lit), vec3(mix(lit, sqrt(lit), 0.5), lit, lit), step(0.1, a.bleed.r));
    vec3 light = key_colour * wrapped(dot(a.normal, key_direction), a.bleed) * through;
    light += fill_colour * wrapped(dot(a.normal, fill_direction), a.bleed) * a.occlusion;
    light += ambient(a.normal) * a.occlusion * mix(vec3(1.0, 0.85, 0.8), vec3(1), a.occlusion);
    light += rim_colour * max(dot(a.normal, rim_direction), 0.0) * a.occlusion;
    vec3 shine = key_colour * lit * gloss(a.normal, key_direction, v, a.wide, a.sharp);
    shine += fill_colour * gloss(a.normal, fill_direction, v, a.wide, 0.3 * a.sharp);
    shine += rim_colour * gloss(a.normal, rim_direction, v, 2.0 * a.wide, 0.0);
    colour = vec4(finish(a.albedo * light + shine), a.opacity);
}
