#version 330
// Head vertices are in decimetres; `turned` is how much of the head's rotation a vertex takes part in.
uniform mat4 view;        // world to clip space
uniform mat4 light_view;  // world to the light's clip space
uniform mat3 rotation;    // of the head, about `pivot`
uniform vec3 pivot;
in vec3 position;
in vec3 normal;
in vec3 canonical;  // the same vertex on the average head: where on a face a pixel is
in vec2 uv;
in float part;
in float occlusion;
in float turned;
in float face;
out vec3 world, n, c, in_light;
out vec2 texture_at;
flat out float kind;
out float ambient_occlusion, facial;

void main() {
    world = mix(position, rotation * (position - pivot) + pivot, turned);
    n = mix(normal, rotation * normal, turned);
    c = canonical;
    texture_at = uv;
    kind = part;
    ambient_occlusion = occlusion;
    facial = face;
    vec4 l = light_view * vec4(world + 0.03 * n, 1);  // off the surface, which must not shade itself
    in_light = l.xyz * 0.5 + 0.5;
    gl_Position = view * vec4(world, 1);
}
