#version 330
uniform mat4 view, light_view;
uniform mat3 rotation;
uniform vec3 pivot;
in vec3 position, normal, tangent, strand;
out vec3 world, n, t, s, in_light;

void main() {
    float turned = smoothstep(5.7, 6.5, position.y);
    world = mix(position, rotation * (position - pivot) + pivot, turned);
    n = mix(normal, rotation * normal, turned);
    t = mix(tangent, rotation * tangent, turned);
    s = strand;
    in_light = (light_view * vec4(world, 1)).xyz * 0.5 + 0.5;
    gl_Position = view * vec4(world, 1);
}
