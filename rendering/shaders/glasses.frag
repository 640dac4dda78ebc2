#version 330
#include light
uniform vec3 frame_colour;
uniform float frame_shine;
in vec3 world, n, in_light;
out vec4 colour;

void main() {
    vec3 normal = normalize(n), v = normalize(eye_position - world);
    float lit = shadow(in_light, normal);
    vec3 light = ambient(normal) + key_colour * lit * max(dot(normal, key_direction), 0.0);
    light += fill_colour * max(dot(normal, fill_direction), 0.0);
    vec3 shine = key_colour * lit * gloss(normal, key_direction, v, frame_shine, frame_shine);
    shine += fill_colour * gloss(normal, fill_direction, v, frame_shine, frame_shine);
    colour = vec4(finish(frame_colour * light + shine), 1.0);
}
