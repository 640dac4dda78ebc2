// Light of a scene: a key lamp with a shadow, a fill lamp, a rim lamp, and ambient light from above, below and around.
uniform vec3 key_direction, key_colour;  // towards the lamp
uniform vec3 fill_direction, fill_colour;
uniform vec3 rim_direction, rim_colour;
uniform vec3 sky_colour, ground_colour;
uniform float exposure, saturation, contrast;
uniform float key_softness;  // 0 a small lamp, 1 a large one
uniform vec3 eye_position;
uniform sampler2DShadow shadow_map;

float shadow(vec3 at, vec3 n) {
    float spread = (0.5 + 2.5 * key_softness) / 256.0, lit = 0.0;
    at.z -= 0.004 + 0.01 * key_softness;
    lit += texture(shadow_map, at + vec3(spread * vec2(-0.4, -1.0), 0));
    lit += texture(shadow_map, at + vec3(spread * vec2(1.0, -0.4), 0));
    lit += texture(shadow_map, at + vec3(spread * vec2(0.4, 1.0), 0));
    lit += texture(shadow_map, at + vec3(spread * vec2(-1.0, 0.4), 0));
    return lit / 4.0;
}

// Diffuse light that bleeds around the terminator, more in red: `bleed` per channel
vec3 wrapped(float cosine, vec3 bleed) {
    vec3 light = clamp((cosine + bleed) / (1.0 + bleed), 0.0, 1.0);
    return light * (0.65 + 0.35 * light);
}

vec3 ambient(vec3 n) { return mix(ground_colour, sky_colour, 0.5 + 0.5 * n.y); }

// Blinn and Phong's lobes of two widths, with Schlick's Fresnel term
float gloss(vec3 n, vec3 l, vec3 v, float wide, float sharp) {
    vec3 h = normalize(l + v);
    float away = 1.0 - max(dot(l, h), 0.0), square = away * away, nh = min(dot(n, h), 1.0) - 1.0;
    float fresnel = 0.04 + 0.96 * square * square * away;
    // exp(k (x - 1)) is close to pow(x, k)
    return fresnel * max(dot(n, l), 0.0) * (wide * 0.88 * exp(14.0 * nh) + sharp * 3.9 * exp(90.0 * nh));
}

// Linear light to the picture's values: a soft shoulder, then the usual curve
vec3 finish(vec3 light) {
    light *= exposure;
    light = light * (1.0 + light * 0.10) / (1.0 + light * 0.70);
    light = mix(vec3(dot(light, vec3(0.21, 0.72, 0.07))), light, saturation);
    light = pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2));
    return clamp(0.5 + contrast * (light - 0.5), 0.0, 1.0);
}
