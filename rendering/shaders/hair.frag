#version 330
// Hair as sheets of strands (Kajiya and Kay 1989), or cloth.
#include light
uniform sampler2D noise;
uniform vec3 hair_colour;
uniform float curl, hair_density, cloth, hair_gloss;

in vec3 world, n, t, s, in_light;
out vec4 colour;

void main() {
    vec3 normal = normalize(n), v = normalize(eye_position - world), along = normalize(t);
    if (dot(normal, v) < 0.0) normal = -normal;
    vec2 straight = vec2(s.x * 9.0 + s.z * 0.31, s.y * 0.35), curly = vec2(s.x * 9.0 + s.z * 0.31, s.y * 2.0);
    vec4 strands = texture(noise, straight), knots = texture(noise, curly);
    float locks = texture(noise, vec2(s.x * 1.7 + 0.1 * s.y, s.y * 0.2 + 0.3 * curl * s.y)).r;
    float hair = mix(strands.b, knots.g, curl);
    float opacity = 1.0;
    if (cloth < 0.5) {
        float length = 1.0 - 0.16 * texture(noise, vec2(s.x * 9.0, s.z * 0.3)).b - 0.10 * locks;
        float thin = mix(0.0, 0.62, s.z * s.z) / hair_density + 0.5 * smoothstep(length - 0.12, length + 0.02, s.y);
        opacity = smoothstep(thin - 0.1, thin + 0.12, hair);
        if (opacity < 0.1) discard;
    }
    float lit = shadow(in_light, normal);
    vec3 albedo = hair_colour * (0.55 + 0.6 * s.z) * (0.55 + 0.9 * hair) * (0.75 + 0.5 * locks);
    vec3 light = ambient(normal) * (0.35 + 0.45 * s.z);
    vec3 shine = vec3(0);
    if (cloth > 0.5) {
        albedo = hair_colour * (0.85 + 0.3 * strands.r);
        light += key_colour * lit * max(dot(normal, key_direction), 0.0) + fill_colour * max(dot(normal, fill_direction), 0.0);
    } else {
        vec3 bent = normalize(along + 0.5 * (hair - 0.5) * normal);
        float tl = dot(bent, key_direction), th = dot(bent, normalize(key_direction + v));
        float facing = smoothstep(-0.3, 0.6, dot(normal, key_direction));
        light += key_colour * lit * facing * (0.35 + 0.65 * sqrt(max(1.0 - tl * tl, 0.0))) * 0.8;
        light += fill_colour * smoothstep(-0.3, 0.8, dot(normal, fill_direction)) * 0.7;
        shine = key_colour * lit * facing * hair_gloss * (0.10 * pow(sqrt(max(1.0 - th * th, 0.0)), 70.0) + 0.5 * hair_colour * pow(sqrt(max(1.0 - th * th, 0.0)), 18.0));
        light += rim_colour * max(dot(normal, rim_direction), 0.0);
    }
    colour = vec4(finish(albedo * light + shine), opacity);
}
